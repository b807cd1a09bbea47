"""Inception-v4, Inception-ResNet-v1 and Inception-ResNet-v2 (arXiv 1602.07261)."""
