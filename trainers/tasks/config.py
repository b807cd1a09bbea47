"""Configuration of tasks."""

from typing import Literal

from tfmodels.config import Config


class ImageClassificationConfig(Config):
    """One label for each image."""

    kind: Literal["image_classification"] = "image_classification"


class LanguageModelingConfig(Config):
    """The next token at every position of a sequence."""

    kind: Literal["language_modeling"] = "language_modeling"
