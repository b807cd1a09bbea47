"""Real photographs for tests, and small folders made of them."""

import io
import pathlib

import numpy as np
import sklearn
from PIL import Image

FOLDER = pathlib.Path(sklearn.__file__).parent / "datasets" / "images"
NAMES = ("china", "flower")


def encoded(name: str) -> bytes:
    """The JPEG file, 427 rows of 640 pixels."""
    return (FOLDER / f"{name}.jpg").read_bytes()


def pixels(name: str) -> np.ndarray:
    """What Pillow decodes, uint8 [427, 640, 3]."""
    return np.asarray(Image.open(FOLDER / f"{name}.jpg"))


def encode(image: Image.Image, kind: str, **options: object) -> bytes:
    """The image as a file of the given kind, written by Pillow."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def write_folder(root: pathlib.Path, per_class: int = 3) -> None:
    """`per_class` small PNG files of each photograph, with `val` like `train`."""
    for split in ("train", "val"):
        for name in NAMES:
            (root / split / name).mkdir(parents=True)
            whole = Image.open(FOLDER / f"{name}.jpg")
            for number in range(per_class):
                part = whole.crop((number * 20, 0, number * 20 + 40, 30))
                part.save(root / split / name / f"{number}.png")
