"""Additive figures of predictions, safe under every strategy."""
