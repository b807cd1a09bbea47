"""Training on weights that are rounded as an export will round them."""
