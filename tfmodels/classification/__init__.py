"""What all image classifiers share."""
