"""Listen, attend and spell: one recogniser of speech for many varieties."""
