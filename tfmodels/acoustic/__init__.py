"""Acoustic models: scores of hidden Markov model states for frames of speech."""
