"""Text as numbers of pieces and back, without loss, in Python and in graphs."""
