"""Readers and input pipelines, and the configuration of both."""
