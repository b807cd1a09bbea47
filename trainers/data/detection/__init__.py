"""Images with boxes around their objects."""
