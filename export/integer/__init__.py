"""Recurrent layers in integers alone, bit for bit: weights of 8 bits, states of 16."""
