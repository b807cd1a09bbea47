"""Replicas with a Python of their own, which come and go over the network."""
