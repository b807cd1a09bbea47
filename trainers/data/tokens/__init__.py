"""Sequences of tokens: generated ones and texts, as batches for one replica each."""
