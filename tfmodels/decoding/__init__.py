"""Searches for token sequences, around one step of any model that has steps."""
