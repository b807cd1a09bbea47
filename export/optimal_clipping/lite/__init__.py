"""TFLite files with packed weights: matrices found, rewritten, and checked again.

Source: US20240428006A1, claim 1, what is done with quantized layers afterwards.
"""
