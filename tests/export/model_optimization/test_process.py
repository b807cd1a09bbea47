"""The other process: what it gets, what becomes of it, what is said of its failures."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from export.model_optimization import process
from tfmodels.errors import DataError
from tfmodels.errors import ProcessLost

LEGACY = "TF_USE_LEGACY_KERAS"
BATCHES = [[np.arange(6, dtype=np.float32).reshape(2, 3), np.int32([[7]])]] * 3


@pytest.fixture
def play(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program in the place of the worker."""

    def become(program: str) -> None:
        (tmp_path / "player.py").write_text(f"import os, sys, time\n{program}\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(process, "_WORKER", "player")

    return become


def test_arrays_arrive_and_lines_come_back(play, tmp_path: Path):
    play(
        "open(sys.argv[1] + '/read', 'wb').write(sys.stdin.buffer.read())\n"
        f"print('keras', os.environ['{LEGACY}'], flush=True)\nprint('end')"
    )
    lines: list[str] = []
    process.work(tmp_path, BATCHES, lines.append)
    assert lines == ["keras 1", "end"]
    expected = b"".join(array.tobytes() for batch in BATCHES for array in batch)
    assert (tmp_path / "read").read_bytes() == expected
    assert LEGACY not in os.environ


def test_its_last_word_is_told(play, tmp_path: Path):
    play("print('trace', file=sys.stderr)\nsys.exit('ValueError: too much')")
    endless = iter(lambda: BATCHES[0], None)
    with pytest.raises(ProcessLost) as caught:
        process.work(tmp_path, endless, print)
    assert "exit code 1 and: ValueError: too much" in str(caught.value)


def test_it_has_no_more_time_than_it_is_given(play, tmp_path: Path):
    play("time.sleep(60)")
    with pytest.raises(ProcessLost, match=r"within 0\.2 s"):
        process.work(tmp_path, BATCHES, print, time_limit=0.2)


def test_unreadable_data_end_it(play, tmp_path: Path):
    play("sys.stdin.buffer.read()\nsys.exit('not enough')")

    def batches():
        yield BATCHES[0]
        raise DataError("a file is missing")

    with pytest.raises(DataError, match="a file is missing"):
        process.work(tmp_path, batches(), print)


def test_an_interruption_ends_it(play, tmp_path: Path):
    play("print(os.getpid(), flush=True)\ntime.sleep(60)")
    found: list[int] = []

    def interrupt(line: str) -> None:
        found.append(int(line))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        process.work(tmp_path, BATCHES, interrupt)
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], 0)


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch):
    process.check_installed()
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util,
        "find_spec",
        lambda name: None if name == "tf_keras" else there(name),
    )
    with pytest.raises(DataError, match=r"tfmodels\[optimization\].*module tf_keras"):
        process.check_installed()
