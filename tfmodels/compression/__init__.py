"""Smaller models: fewer weights, fewer values of weights, weights of fewer bits."""
