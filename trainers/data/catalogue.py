"""Configuration of images from the catalogue of tensorflow-datasets."""

from typing import Literal

from trainers.data.config import ImageData


class TensorFlowDatasetsData(ImageData):
    """Images of a data set that tensorflow-datasets has prepared, by its name.

    That package must be there, and the data set too: nothing is downloaded. Its files
    are read as `image_records` are.
    """

    kind: Literal["tensorflow_datasets"] = "tensorflow_datasets"
    name: str
    """Name in the catalogue, such as ``cifar10`` or ``imagenet2012:5.1.0``."""
    data_dir: str | None = None
    """Folder of prepared data sets; the package's own when absent."""
    train: str = "train"
    """Split to learn from, or a part of it, such as ``train[:90%]``."""
    validation: str | None = None
    """Likewise; ``train[90%:]``."""
    test: str | None = "test"
    image_key: str = "image"
    label_key: str = "label"
