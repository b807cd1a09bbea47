"""`tfmodels data`: the layouts it writes are read back as they were."""

import re

import pytest
import tensorflow as tf
from typer.testing import CliRunner

from tfmodels.errors import ConfigError
from tools.data import app
from tools.prepare.images import Layout
from tools.prepare.images import prepare_digits
from trainers.configuration import read_yaml
from trainers.data.config import DigitsData
from trainers.data.config import ImageFolderData
from trainers.data.config import ManifestData
from trainers.data.config import RecordsData
from trainers.data.images import arrays
from trainers.data.images.sources import open_source

CONFIGS = {
    Layout.FOLDER: ImageFolderData,
    Layout.MANIFEST: ManifestData,
    Layout.RECORDS: RecordsData,
}


@pytest.fixture(autouse=True)
def every_seventh_digit(monkeypatch):
    """206 training and 52 test images, of all classes."""
    real = arrays.load_digits

    def few(split):
        digits = real(split)
        rows = slice(None, None, 7)
        return arrays.Digits(
            digits.images[rows], digits.targets[rows], digits.rows[rows]
        )

    monkeypatch.setattr(arrays, "load_digits", few)


def contents(source):
    """Every image with its label, sorted: layouts keep no order across classes."""
    examples = tf.data.Dataset.range(source.size).map(lambda i: source.read(i, 1))
    return sorted(
        (int(example["label"]), example["image"].tobytes())
        for example in examples.as_numpy_iterator()
    )


@pytest.mark.parametrize("layout", Layout)
def test_digits_survive_each_layout(tmp_path, layout):
    section = prepare_digits(tmp_path, layout)
    config = CONFIGS[layout].parse({**section, "batch_size": 64})
    digits = DigitsData(batch_size=64)
    for split in ("train", "test"):
        written, original = open_source(config, split), open_source(digits, split)
        assert written.labels == original.labels
        assert contents(written) == contents(original)


def test_prepare_prints_the_section_that_reads_what_it_wrote(tmp_path):
    arguments = ["prepare", "digits", "--output", str(tmp_path), "--format", "manifest"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    section = read_yaml(result.output, "output")["data"]
    assert open_source(ManifestData.parse(section), "test").size == 52


def test_check_counts_and_lists(tmp_path):
    prepare_digits(tmp_path, Layout.FOLDER)
    arguments = ["check", "googlenet/tiny"]
    section = f"{{kind: image_folder, path: {tmp_path}, batch_size: 64}}"
    arguments += ["--set", f"data={section}"]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert re.search(r"all +│ +206 +│ +52 ", result.output)

    victim = min((tmp_path / "val" / "3").iterdir())
    victim.write_bytes(victim.read_bytes()[:40])
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 3
    assert str(victim) in result.output
    assert "Invalid PNG" in result.output


def test_check_refuses_what_is_no_image():
    result = CliRunner().invoke(app, ["check", "gpipe/tiny"])
    assert isinstance(result.exception, ConfigError)
    assert "data.kind: sorting" in str(result.exception)
