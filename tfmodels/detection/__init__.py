"""Finds objects: class scores and boxes in every cell of an image network's maps."""
