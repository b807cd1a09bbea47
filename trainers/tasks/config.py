"""Configuration of tasks."""

from typing import Literal

from tfmodels.config import Config


class ImageClassificationConfig(Config):
    """One label for each image."""

    kind: Literal["image_classification"] = "image_classification"
