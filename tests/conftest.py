"""Four virtual CPU devices, fixed seeds, and what tests of many rooms only read."""

import fcntl
import gc
import os
import shutil
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from tools.quiet import load_tensorflow

load_tensorflow()  # or the summary of tests would not be the last line

import keras
import pytest
import tensorflow as tf

import export
import trainers
from tests.trainers.small import SMALL
from tests.trainers.small import SORT
from tests.trainers.small import write_config
from tests.trainers.translating import NUMBERS
from tests.trainers.words import WORDS

# TensorFlow accepts this only before its first operation: nowhere else.
tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0],
    [tf.config.LogicalDeviceConfiguration()] * 4,
)
if "PYTEST_XDIST_WORKER" in os.environ:  # one of several processes, each with a core
    tf.config.threading.set_intra_op_parallelism_threads(1)

# Tracing makes many objects; what is imported by now need not be looked through again.
gc.freeze()
gc.set_threshold(100_000, 20, 100)

Make = Callable[[str, Callable[[Path], object]], Path]


@pytest.fixture(autouse=True)
def fixed_seed() -> None:
    """Starts every test from the same random state."""
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session")
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Fills a folder once for all processes of a session; tests must not change it."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def make(name: str, fill: Callable[[Path], object]) -> Path:
        folder, complete = root / name, root / f"{name}.complete"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not complete.exists():
                shutil.rmtree(folder, ignore_errors=True)
                fill(folder)
                complete.touch()
        return folder

    return make


def train(made_once: Make, name: str, text: str) -> Path:
    """The folder of the finished run of a configuration."""

    def fill(folder: Path) -> None:
        folder.mkdir()
        trainers.train(write_config(folder, text), folder / "run")

    return made_once(name, fill) / "run"


@pytest.fixture(scope="session")
def run_folder(made_once: Make) -> Path:
    """The run of the small network on digits."""
    return train(made_once, "small", SMALL)


@pytest.fixture(scope="session")
def sorting_run(made_once: Make) -> Path:
    """The run of a language model that has learned to sort three symbols."""
    return train(made_once, "sorting", SORT)


@pytest.fixture(scope="session")
def words_run(made_once: Make) -> Path:
    """The run of an acoustic model that has begun to learn a few words."""
    return train(made_once, "words", WORDS)


@pytest.fixture(scope="session")
def numbers_run(made_once: Make) -> Path:
    """The run of a translator that has begun to learn number words."""
    return train(made_once, "numbers", NUMBERS)


@pytest.fixture(scope="session")
def artefact(run_folder: Path, made_once: Make) -> Callable[[str], Path]:
    """Exports a preset of the small network and returns the folder."""
    return lambda preset: made_once(
        f"small_{preset}", lambda folder: export.export(run_folder, preset, folder)
    )


@pytest.fixture(scope="session")
def sorting_artefact(sorting_run: Path, made_once: Make) -> Callable[[str], Path]:
    """Exports a preset of the language model and returns the folder."""
    return lambda preset: made_once(
        f"sorting_{preset}", lambda folder: export.export(sorting_run, preset, folder)
    )
