"""What a model is taught: each loss as a sum and a weight."""
