"""What one replica computes for each kind of data."""
