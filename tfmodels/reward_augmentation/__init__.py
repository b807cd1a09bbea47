"""Reward-augmented maximum likelihood: payoffs, samplers, weights; of no model."""
