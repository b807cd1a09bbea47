"""Bad text from the command line: what is wrong, how much of it, and which key."""

import json
from pathlib import Path

import pytest

from tests.tools.conftest import Command
from tests.trainers.translating import NUMBERS
from tests.trainers.translating import two_languages
from tests.trainers.translating import write_run
from trainers.configuration import read_yaml
from trainers.experiment import Experiment


def experiment(folder: Path, source: bytes, target: bytes) -> Path:
    """A configuration of these two files."""
    files = {"source": folder / "t.en", "target": folder / "t.de"}
    for path, content in zip(files.values(), (source, target), strict=True):
        path.write_bytes(content)
    corpus = {side: str(path) for side, path in files.items()}
    values = read_yaml(NUMBERS, "numbers")
    kept = {"vocabulary_size": 300, "batch_size": 2, "max_length": 2}
    values["data"] = {"kind": "parallel_text", "train": [corpus], **kept}
    path = folder / "bad.json"
    path.write_text(json.dumps(values))
    return path


# Files, ids of what is learned from them, and what is said; then whether a check fails.
BAD = {
    "misaligned": (b"a\nb\nc\n", b"x\ny\n", 0, "3 and 2 lines; correct data.train[0]"),
    "not UTF-8": (b"a\nb\xff\n", b"x\ny\n", 0, "the byte 0xff in place 2 of the line"),
    "empty sides": (b"a\n\n", b"\ny\n", 265, "2 with an empty side"),
    "too long": (
        b"a b c\n" * 3,
        b"x\n" * 3,
        269,
        "3 that are longer; correct data.train",
    ),
}
COUNTS = {
    "misaligned": "3 and 2 lines",
    "not UTF-8": "line 2 of",
    "empty sides": "2 pairs with an empty side",
    "too long": "3 of more than 2 pieces",
}


@pytest.mark.parametrize("name", BAD)
def test_text_that_cannot_be_trained_on(
    name: str, tfmodels: Command, tmp_path: Path
) -> None:
    source, target, size, words = BAD[name]
    config, run = experiment(tmp_path, source, target), tmp_path / "run"
    change = ("--set", f"model.vocabulary_size={size or 300}")
    code, _, err = tfmodels("train", config, "--workdir", run, *change)
    assert code == 3, err
    said = " ".join(err.split())
    assert words in said
    assert "data.train" in said
    assert not run.exists()
    code, out, _ = tfmodels("data", "check", config)
    # Lines that training leaves out and counts are no damage.
    assert code == (0 if size else 3), out
    assert COUNTS[name] in " ".join(out.split())


def test_vocabularies_and_languages_of_another_model(
    tfmodels: Command, tmp_path: Path
) -> None:
    values = read_yaml(NUMBERS, "numbers")
    values["data"] = two_languages(tmp_path)
    values["model"]["vocabulary_size"] = 270
    write_run(tmp_path / "run", Experiment.parse(values), 0)
    config, other = tmp_path / "config.json", tmp_path / "vocabulary.json"
    config.write_text(json.dumps(values))

    def fails(*words: str | Path) -> tuple[int, str]:
        code, _, err = tfmodels(*words)
        return code, " ".join(err.split())

    asked = ("predict", tmp_path / "run", "a b", "--set")
    code, said = fails(*asked, "task.target_language=it")
    assert code == 3
    assert "(ba, fr). Received 'it'; correct target_language" in said
    pieces = {"kind": "wordpieces", "languages": ["ba", "fr"], "pieces": []}
    other.write_text(json.dumps({**pieces, "pieces": [*"\u2581abcdefg"]}))
    code, said = fails(*asked, f"data.vocabulary={other}")
    assert code == 3
    assert "was trained with another vocabulary" in said
    assert "data.vocabulary" in said
    other.write_text(json.dumps({**pieces, "pieces": [*"\u2581abcd"]}))
    vocabulary = ("--set", f"data.vocabulary={other}")
    code, said = fails("train", config, "--workdir", tmp_path / "new", *vocabulary)
    assert code == 2
    assert "model.vocabulary_size" in said
    assert "Expected 267; received 270" in said
    no_languages = {"languages": [], "pieces": [*"\u2581abcd"]}
    other.write_text(json.dumps({**pieces, **no_languages}))
    code, said = fails("train", config, "--workdir", tmp_path / "new", *vocabulary)
    assert code == 3
    assert "correct data.vocabulary" in said
