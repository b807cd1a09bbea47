"""Clips and quantizes the weights of any Keras 3 model, and says what that costs.

Source: US20240428006A1, claim 1.
"""
