"""Where a model runs: who holds its variables and who updates them."""
