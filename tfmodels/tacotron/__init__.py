"""Tacotron 2 for several languages and voices."""
