"""Sentences and their translations: files and generated ones, as batches of pieces."""
