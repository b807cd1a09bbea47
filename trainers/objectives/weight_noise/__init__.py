"""Training on weights with noise, which is drawn anew in every step."""
