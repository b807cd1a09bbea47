"""Checkpoints survive damage: whole or skipped, never silently wrong."""

import json
import resource
import signal
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import DataError
from trainers.checkpoints import CheckpointStore
from trainers.checkpoints import restore


def make_state(value: float) -> dict[str, tf.Variable]:
    return {
        "model/dense/kernel": tf.Variable(tf.fill([3, 2], value)),
        "model/state_1": tf.Variable([1, 2], dtype=tf.int64),
        "optimizer/iterations": tf.Variable(int(value), dtype=tf.int64),
    }


@pytest.fixture
def store(tmp_path: Path) -> CheckpointStore:
    """A store with checkpoints of steps 1, 2 and 3."""
    store = CheckpointStore(tmp_path / "checkpoints")
    for step in (1, 2, 3):
        store.save(make_state(step), step, "train")
    return store


def newest_folder(tmp_path: Path) -> Path:
    return tmp_path / "checkpoints" / "step-00000003"


def test_restores_what_was_saved(store: CheckpointStore) -> None:
    checkpoint = store.latest()
    assert checkpoint is not None
    assert (checkpoint.step, checkpoint.stage) == (3, "train")
    state = make_state(0)
    restore(checkpoint, state)
    for name, expected in make_state(3).items():
        np.testing.assert_array_equal(state[name].numpy(), expected.numpy())


def test_tensorflow_reads_the_same_names(
    store: CheckpointStore, tmp_path: Path
) -> None:
    names = dict(tf.train.list_variables(str(newest_folder(tmp_path) / "state")))
    assert names["model/dense/kernel"] == [3, 2]


def test_keeps_the_newest(tmp_path: Path) -> None:
    store = CheckpointStore(tmp_path, keep=2)
    for step in range(5):
        store.save(make_state(step), step, "train")
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "step-00000003",
        "step-00000004",
    ]


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE = {
    "flipped bit": lambda folder: flip(folder / "state.data-00000-of-00001"),
    "flipped index": lambda folder: flip(folder / "state.index"),
    "truncated": lambda folder: (folder / "state.data-00000-of-00001").write_bytes(b""),
    "no index": lambda folder: (folder / "state.index").unlink(),
    "no manifest": lambda folder: (folder / "manifest.json").unlink(),
    "half a manifest": lambda folder: (folder / "manifest.json").write_text('{"format'),
    "other format": lambda folder: (folder / "manifest.json").write_text(
        '{"format": 9}'
    ),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_to_the_newest_leads_to_the_one_before(
    kind: str,
    store: CheckpointStore,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    DAMAGE[kind](newest_folder(tmp_path))
    checkpoint = store.latest()
    assert checkpoint is not None
    assert checkpoint.step == 2
    assert "step-00000003" in caplog.text


def test_a_write_that_was_cut_off_is_not_a_checkpoint(
    store: CheckpointStore, tmp_path: Path
) -> None:
    (tmp_path / "checkpoints" / ".step-00000004.partial").mkdir()
    checkpoint = store.latest()
    assert checkpoint is not None
    assert checkpoint.step == 3


def test_all_damaged_is_an_error_not_a_fresh_start(
    store: CheckpointStore, tmp_path: Path
) -> None:
    for folder in (tmp_path / "checkpoints").iterdir():
        (folder / "state.index").unlink()
    with pytest.raises(DataError, match="None of the 3 checkpoints"):
        store.latest()


def test_none_where_there_never_was_one(tmp_path: Path) -> None:
    assert CheckpointStore(tmp_path / "nothing").latest() is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model/extra", tf.zeros([1]), "model/extra is missing"),
        ("model/dense/kernel", tf.zeros([3, 3]), r"shape \(3, 2\), not \(3, 3\)"),
    ],
)
def test_another_model_is_refused_and_nothing_assigned(
    name: str, value: tf.Tensor, message: str, store: CheckpointStore
) -> None:
    state = make_state(0)
    state[name] = tf.Variable(value)
    with pytest.raises(DataError, match=message):
        restore(store.latest(), state)
    assert int(state["optimizer/iterations"]) == 0


def test_a_variable_the_model_lacks_is_refused(store: CheckpointStore) -> None:
    state = make_state(0)
    del state["model/state_1"]
    with pytest.raises(DataError, match="model/state_1 has no place"):
        restore(store.latest(), state)


def test_a_full_disk_leaves_earlier_checkpoints_intact(
    store: CheckpointStore, tmp_path: Path
) -> None:
    big = {"model/big": tf.Variable(tf.random.normal([1_000_000]))}
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(DataError, match="could not be saved"):
            store.save(big, 4, "train")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert sorted(p.name for p in (tmp_path / "checkpoints").iterdir()) == [
        "step-00000001",
        "step-00000002",
        "step-00000003",
    ]
    checkpoint = store.latest()
    assert checkpoint is not None
    assert checkpoint.step == 3


def test_the_manifest_lists_shapes_and_hashes(
    store: CheckpointStore, tmp_path: Path
) -> None:
    manifest = json.loads((newest_folder(tmp_path) / "manifest.json").read_text())
    assert manifest["tensors"]["model/dense/kernel"] == [3, 2]
    assert set(manifest["files"]) == {"state.index", "state.data-00000-of-00001"}
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values())
