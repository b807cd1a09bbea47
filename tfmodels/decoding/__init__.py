"""Searches for the best output sequences of models that score one step at a time."""
