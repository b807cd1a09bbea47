"""Bad weights from the command line: one line, the documented code, nothing left."""

from pathlib import Path

import numpy as np
import pytest

from tests.tools.conftest import Command
from tests.tools.conftest import tfmodels  # noqa: F401
from tests.tools.convert.test_packed import full_disk
from tests.tools.convert.test_transformers import GROUPS
from tests.tools.convert.test_transformers import SIZES
from tests.tools.convert.test_transformers import llama_arrays
from tests.tools.convert.test_transformers import safetensors
from tools.convert.packed import read_packed

UP = "model.layers.0.mlp.up_proj.weight"
LIE = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
HUGE = {"dtype": "F32", "shape": [2**62, 2**62, 0], "data_offsets": [0, 0]}
# What is given to `convert`, and a part of what it says.
BAD = {
    "cut off": (safetensors(llama_arrays())[:-5], "cut off, or a lie"),
    "only a length": ((80).to_bytes(8, "little"), "a header of 80 bytes"),
    "a size that lies": (
        safetensors({}, {UP: LIE | {"shape": [9]}}) + bytes(8),
        "36 bytes, in a",
    ),
    "an axis too long": (safetensors({}, {UP: HUGE}), "with the shape"),
    "a dtype that is none": (safetensors({}, {UP: LIE | {"dtype": ["F32"]}}), "dtype"),
    "lists in lists": (b"\xa0\x86\1\0\0\0\0\0" + b"[" * 100_000, "no JSON"),
    "not our model": (safetensors({"a.b": np.ones((2, 2), "f4")}), "unknown archi"),
    "no numbers": (
        safetensors(llama_arrays() | {UP: np.full((12, 8), np.nan, "f4")}),
        f"{UP}",
    ),
}


def one_line(text: str) -> str:
    assert text.count("\n") == 1, text
    assert "Expected" in text
    assert "Received" in text
    return text


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_explained_and_leave_nothing(
    name: str,
    tfmodels: Command,  # noqa: F811
    tmp_path: Path,
):
    content, message = BAD[name]
    source = tmp_path / "w.safetensors"
    source.write_bytes(content)
    code, _, err = tfmodels("convert", "clip", source, "--output", tmp_path / "p")
    assert code == 3, err
    assert message in one_line(err)
    sizes = {**SIZES, "num_key_value_heads": GROUPS, "vocabulary_size": 256}
    # Finished matrices are kept for another try; no file is half there.
    left = {path.name for path in tmp_path.iterdir()}
    assert left <= {"w.safetensors", ".p.progress"}
    code, _, err = tfmodels(
        *("convert", "transformer", source, "optimal_clipping/tiny"),
        *("--workdir", tmp_path / "run"),
        *(part for k, v in sizes.items() for part in ("--set", f"model.{k}={v}")),
    )
    assert code == 3, err
    assert message in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--bits", "1"), "bits"),
        (("--bits", "9"), "bits"),
        (("--group-size", "-3"), "group_size"),
        (("--method", "newtom"), "Did you mean newton"),
    ],
)
def test_bad_options_are_explained_and_leave_nothing(
    options: tuple[str, str],
    message: str,
    tfmodels: Command,  # noqa: F811
    tmp_path: Path,
):
    source = tmp_path / "w.safetensors"
    source.write_bytes(safetensors(llama_arrays()))
    output = tmp_path / "p.safetensors"
    code, _, err = tfmodels("convert", "clip", source, "--output", output, *options)
    assert code == 2, err
    assert message in err
    assert not output.exists()
    assert not list(tmp_path.glob(".*partial"))


def test_a_full_disk_is_explained_and_leaves_no_half_file(
    tfmodels: Command,  # noqa: F811
    tmp_path: Path,
):
    source = tmp_path / "w.safetensors"
    source.write_bytes(safetensors(llama_arrays()))
    output = tmp_path / "p.safetensors"
    with full_disk(3000):
        code, _, err = tfmodels("convert", "clip", source, "--output", output)
    assert code == 3, err
    assert "free space" in one_line(err)
    assert not output.exists()
    assert not list(tmp_path.glob(".*partial"))


def test_weights_that_are_all_alike_or_alone_are_exact(
    tfmodels: Command,  # noqa: F811
    tmp_path: Path,
):
    arrays = llama_arrays()
    arrays[UP] = np.zeros((12, 8), np.float32)
    arrays[UP][1:] = np.float32(-0.37) * np.arange(11)[:, None]
    lonely = "model.layers.1.mlp.down_proj.weight"
    arrays[lonely] = arrays[lonely][:, :1]
    source, output = tmp_path / "w.safetensors", tmp_path / "p.safetensors"
    source.write_bytes(safetensors(arrays))
    code, _, err = tfmodels("convert", "clip", source, "--output", output)
    assert code == 0, err
    found = read_packed(output)
    np.testing.assert_array_equal(found[UP], arrays[UP])
    np.testing.assert_array_equal(found[lonely], arrays[lonely])
