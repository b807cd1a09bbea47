"""Minimum word error rate: the errors expected of a model's own answers."""
