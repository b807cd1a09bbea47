"""Spoken utterances, generated and recorded, as batches for one replica each."""
