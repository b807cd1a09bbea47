"""Weighted automata over frames: sums, maxima and expectations over their paths."""
