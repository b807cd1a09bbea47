"""Reward-augmented maximum likelihood: a plain loss on drawn outputs."""
