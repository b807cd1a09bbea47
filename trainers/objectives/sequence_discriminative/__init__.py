"""Sequence-discriminative objectives: what was said against what could have been."""
