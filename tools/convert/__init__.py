"""Weights of other programs' models, as run folders of this one."""
