"""What TensorBoard's own reader finds in event files; the fan-out to writers."""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from matplotlib.figure import Figure
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2

from trainers.sound import Sounds
from trainers.summaries.jsonl import JsonlWriter
from trainers.summaries.jsonl import read_scalars
from trainers.summaries.tensorboard import TensorBoardWriter
from trainers.summaries.texts import side_by_side
from trainers.summaries.writer import Writer
from trainers.summaries.writer import Writers


def events(folder: Path) -> EventAccumulator:
    accumulator = EventAccumulator(str(folder), size_guidance={"tensors": 0})
    accumulator.Reload()
    return accumulator


def tensor(accumulator: EventAccumulator, tag: str) -> tuple[int, np.ndarray]:
    (event,) = accumulator.Tensors(tag)
    return event.step, tf.make_ndarray(event.tensor_proto)


@pytest.fixture
def writer(tmp_path: Path) -> TensorBoardWriter:
    return TensorBoardWriter(tmp_path)


def test_scalars_are_on_disk_at_once(writer: TensorBoardWriter, tmp_path: Path) -> None:
    writer.scalars(7, {"train/loss": 0.25, "test/top1": np.float32(0.5)})
    found = events(tmp_path)
    assert tensor(found, "train/loss") == (7, 0.25)
    assert tensor(found, "test/top1") == (7, 0.5)


@pytest.mark.parametrize("channels", [1, 3])
def test_images_keep_their_pixels(
    writer: TensorBoardWriter, tmp_path: Path, channels: int
) -> None:
    shape = (5, 4, 6, channels)
    images = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    writer.images(2, "batch", images)
    writer.close()
    step, (width, height, *encoded) = tensor(events(tmp_path), "batch")
    assert (step, int(width), int(height)) == (2, 6, 4)
    decoded = [tf.io.decode_png(image).numpy() for image in encoded]
    np.testing.assert_array_equal(decoded, images)


def test_sounds_can_be_played(writer: TensorBoardWriter, tmp_path: Path) -> None:
    samples = np.array([[0, 0.5, -0.25, 2], [0.125, 0, 0, 0]], np.float32)
    Writers([writer]).drawn(4, "test/said", Sounds(samples, 8000))
    writer.close()
    step, encoded = tensor(events(tmp_path), "test/said")
    assert step == 4
    for row, (content, _) in zip(samples, encoded, strict=True):
        decoded, rate = tf.audio.decode_wav(content)
        assert rate == 8000
        np.testing.assert_allclose(decoded[:, 0], np.minimum(row, 1), atol=1e-4)


def test_a_figure_becomes_an_image_of_its_size(
    writer: TensorBoardWriter, tmp_path: Path
) -> None:
    writer.figure(1, "drawing", Figure(figsize=(2, 1), dpi=50))
    writer.close()
    _, (width, height, _) = tensor(events(tmp_path), "drawing")
    assert (int(width), int(height)) == (100, 50)


def test_histograms_and_text(writer: TensorBoardWriter, tmp_path: Path) -> None:
    writer.histograms(3, {"dense/kernel": np.array([[0.0, 1.0], [1.0, 1.0]])})
    writer.text(0, "model", "| a |\n|---|\n| 1 |")
    writer.close()
    found = events(tmp_path)
    step, buckets = tensor(found, "dense/kernel")
    assert (step, buckets[:, 2].sum(), buckets[-1, 2]) == (3, 4.0, 3.0)
    assert tensor(found, "model")[1] == b"| a |\n|---|\n| 1 |"


def test_hparams_keep_numbers_and_turn_lists_into_text(
    writer: TensorBoardWriter, tmp_path: Path
) -> None:
    values = {"rate": 0.1, "steps": 3, "on": True, "kind": "sgd", "sizes": [1, 2]}
    writer.hparams({**values, "path": None})
    writer.close()
    metadata = events(tmp_path).SummaryMetadata("_hparams_/session_start_info")
    data = plugin_data_pb2.HParamsPluginData.FromString(metadata.plugin_data.content)
    found = {
        name: getattr(value, value.WhichOneof("kind"))
        for name, value in data.session_start_info.hparams.items()
    }
    assert found == {**values, "sizes": "[1, 2]", "path": "None"}
    assert found["on"] is True


def test_several_writers_get_everything_they_keep(tmp_path: Path) -> None:
    jsonl = JsonlWriter(tmp_path / "metrics.jsonl", resume_step=0)
    report(Writers([TensorBoardWriter(tmp_path / "events"), jsonl]))
    assert read_scalars(tmp_path / "metrics.jsonl") == {"train/loss": [(4, 0.5)]}
    found = set(events(tmp_path / "events").Tags()["tensors"])
    assert found >= {"train/loss", "images", "figure", "kernel", "text"}


def test_no_writer_at_all_takes_everything_too(tmp_path: Path) -> None:
    report(Writers())
    assert list(tmp_path.iterdir()) == []


def report(writer: Writer) -> None:
    """Makes one call of every kind."""
    writer.hparams({"rate": 0.1})
    writer.scalars(4, {"train/loss": 0.5})
    writer.images(4, "images", np.zeros([1, 2, 2, 3], np.uint8))
    writer.figure(4, "figure", Figure(figsize=(1, 1)))
    writer.histograms(4, {"kernel": np.zeros([2])})
    writer.text(4, "text", "some")
    writer.close()


def test_what_a_task_shows_is_drawn_or_written(tmp_path: Path) -> None:
    writers = Writers([TensorBoardWriter(tmp_path)])
    texts = side_by_side(("in", "out"), (["a|b", "*ä*"], ["1\n2", "\\"]))
    assert texts == "| in | out |\n| --- | --- |\n| a\\|b | 1 2 |\n| \\*ä\\* | \\\\ |"
    writers.drawn(3, "test/translations", texts)
    writers.drawn(3, "test/attention", Figure(figsize=(1, 1)))
    writers.close()
    found = events(tmp_path)
    assert tensor(found, "test/translations")[1].item().decode() == texts
    assert found.SummaryMetadata("test/attention").plugin_data.plugin_name == "images"
