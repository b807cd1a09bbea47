"""The decoder-only Transformer, a language model (GPipe, arXiv 1811.06965)."""
