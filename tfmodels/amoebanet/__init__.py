"""AmoebaNet-D: the evolved image classifier that GPipe scales (arXiv 1811.06965)."""
