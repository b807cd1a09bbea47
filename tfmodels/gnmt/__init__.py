"""GNMT: deep LSTM stacks with attention that translate text."""
