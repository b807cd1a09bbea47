"""Manifests of published corpora of speech, as their files lie on disk."""
