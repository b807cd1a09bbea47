"""Files of packed weights: against codes made in memory, full disks, small memories."""

import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from tests.tools.conftest import Command
from tests.tools.conftest import tfmodels  # noqa: F401
from tests.tools.convert.test_transformers import OF_GPT2
from tests.tools.convert.test_transformers import OF_LLAMA
from tests.tools.convert.test_transformers import gpt2_arrays
from tests.tools.convert.test_transformers import llama_arrays
from tests.tools.convert.test_transformers import safetensors
from tfmodels.errors import DataError
from tfmodels.quantization.grid import quantize
from tfmodels.quantization.ranges import solve
from tfmodels.transformer.config import TransformerConfig
from tools.convert.language_models import read_transformer
from tools.convert.packed import clip_file
from tools.convert.packed import read_packed
from tools.convert.safetensors import open_safetensors


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file may grow beyond a size: writing fails as on a disk without space."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize(
    ("arrays", "config", "linear", "outputs"),
    [
        (llama_arrays(), OF_LLAMA, "model.layers.1.mlp.down_proj.weight", 0),
        (gpt2_arrays(), OF_GPT2, "h.1.mlp.c_fc.weight", 1),
    ],
)
def test_packed_weights_are_read_like_others(
    arrays,
    config,
    linear,
    outputs,
    tmp_path,
    tfmodels: Command,  # noqa: F811
):
    source, output = tmp_path / "w.safetensors", tmp_path / "p.safetensors"
    source.write_bytes(safetensors(arrays))
    command = ("convert", "clip", source, "--output", output)
    code, out, err = tfmodels(*command, "--bits", "3", "--group-size", "5")
    assert code == 0, err
    assert linear.removesuffix(".weight").replace(".", "/") in out
    found = read_packed(output)
    assert found.keys() == arrays.keys()
    rows = arrays[linear] if outputs == 0 else arrays[linear].T
    wanted = quantize(rows, *solve(rows, 3, "newton", 5), 3, group_size=5).dequantize()
    mine = found[linear] if outputs == 0 else found[linear].T
    np.testing.assert_array_equal(mine, wanted)
    for name, array in arrays.items():
        if array.ndim == 1:
            np.testing.assert_array_equal(found[name], array)
    tensors = open_safetensors(output).tensors
    assert tensors[f"{linear}.packed"].shape == (len(rows), -(-rows.shape[1] // 8) * 3)
    assert linear not in tensors
    made = read_transformer(output, TransformerConfig.parse(config))
    key = "block2_feed_forward_" + ("output" if outputs == 0 else "hidden")
    np.testing.assert_array_equal(made[f"{key}/kernel"], wanted.T)
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []
    # A second one does not write over it; a damaged one is named.
    code, _, err = tfmodels(*command)
    assert code == 2
    assert "already there" in err
    output.write_bytes(output.read_bytes()[:-3])
    with pytest.raises(DataError, match="cut off"):
        read_packed(output)
    lie = output.read_bytes().replace(b'\\"width\\"', b'\\"widts\\"')
    output.write_bytes(lie + b"\0\0\0")
    with pytest.raises(DataError, match="do not fit together"):
        read_packed(output)


def test_a_full_disk_leaves_finished_matrices_and_no_half_file(tmp_path):
    source, output = tmp_path / "w.safetensors", tmp_path / "p.safetensors"
    arrays = llama_arrays()
    source.write_bytes(safetensors(arrays))
    from tfmodels.quantization.policy import default_policy

    with full_disk(3000), pytest.raises(DataError, match="free space"):
        clip_file(source, output, default_policy(4))
    assert not output.exists()
    assert [p.name for p in tmp_path.iterdir()] != ["w.safetensors"]
    assert not list(tmp_path.glob(".*partial"))
    clip_file(source, output, default_policy(4))
    assert read_packed(output).keys() == arrays.keys()
    bad = arrays | {"model.norm.weight": arrays["model.norm.weight"]}
    bad["model.layers.0.mlp.up_proj.weight"] = np.full((12, 8), np.nan, np.float32)
    source.write_bytes(safetensors(bad))
    with pytest.raises(DataError, match=r"up_proj\.weight: not all weights"):
        clip_file(source, tmp_path / "q.safetensors", default_policy(4))
    assert not (tmp_path / "q.safetensors").exists()
    source.write_bytes(safetensors({"conv.weight": np.ones((2, 2), np.float32)}))
    with pytest.raises(DataError, match="unknown architecture"):
        clip_file(source, tmp_path / "q.safetensors", default_policy(4))


_LIMITED = """
import resource, sys
from pathlib import Path
import tfmodels.quantization.targets  # and TensorFlow, which is no part of the model
from tfmodels.quantization.policy import default_policy
from tools.convert.packed import clip_file

lines = Path("/proc/self/status").read_text().splitlines()
now = next(int(line.split()[1]) for line in lines if line.startswith("VmData"))
limit = now * 1024 + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    bytearray(int(sys.argv[4]))
except MemoryError:
    print("the model does not fit")
figures = clip_file(Path(sys.argv[1]), Path(sys.argv[2]), default_policy(4))
print(len(figures), "matrices")
"""


@pytest.mark.slow
def test_a_model_larger_than_the_memory_is_packed_matrix_by_matrix(tmp_path):
    # 40 matrices of 2 MB: 80 MB of weights, where 48 MB may be taken.
    source, output = tmp_path / "w.safetensors", tmp_path / "p.safetensors"
    block = np.random.default_rng(0).normal(size=(512, 1024)).astype(np.float32)
    names = [f"model.layers.{n}.mlp.up_proj.weight" for n in range(40)]
    shapes = {"model.embed_tokens.weight": (4, 1024)} | dict.fromkeys(
        names, (512, 1024)
    )
    header, place = {}, 0
    for name, shape in shapes.items():
        end = place + 4 * shape[0] * shape[1]
        entry = {"dtype": "F32", "shape": list(shape), "data_offsets": [place, end]}
        header[name], place = entry, end
    text = json.dumps(header).encode()
    with source.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            block[: shape[0]].tofile(file)
    limit, model = 48 * 2**20, source.stat().st_size
    assert model > 1.6 * limit
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, source, output, str(limit), str(model)],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[3],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.split("\n")[:2] == ["the model does not fit", "41 matrices"]
    assert output.stat().st_size < 0.2 * model
