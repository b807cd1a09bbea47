"""Every replica holds the whole model and computes a share of each batch."""
