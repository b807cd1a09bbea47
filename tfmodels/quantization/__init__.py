"""Ranges, grids and packed forms of weights in two to eight bits.

Post-training quantization of weights with optimal clipping ranges (US20240428006A1).
"""
