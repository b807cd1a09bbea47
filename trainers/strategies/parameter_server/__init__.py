"""Replicas that fetch, work and push without waiting for one another."""
