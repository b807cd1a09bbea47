"""Labelled images: where they come from, and how they become batches."""

from trainers.data.images.dataset import image_dataset
from trainers.data.images.decoding import decode_file
from trainers.data.images.sources import open_source

__all__ = ["decode_file", "image_dataset", "open_source"]
