"""The captions of Multi30K, where they are."""

import gzip
import os
from pathlib import Path

import pytest

FOLDER = Path(os.environ.get("TFMODELS_DATA", "nowhere"), "multi30k")

needed = pytest.mark.skipif(
    not FOLDER.is_dir(), reason="no captions in multi30k below $TFMODELS_DATA"
)


def captions(split: str, language: str) -> list[str]:
    with gzip.open(FOLDER / f"{split}.{language}.gz", "rb") as file:
        return file.read().decode("utf-8").split("\n")[:-1]
