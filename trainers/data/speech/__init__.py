"""Spoken utterances and how they are written, in dialects and languages."""
