"""Pipeline parallelism: a model cut into stages that work at once (GPipe)."""
