"""What a stage of training does to a model to make it smaller."""
