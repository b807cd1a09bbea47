"""Trained translators: several languages, pairs never taught, and integers."""

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest

import tfmodels
import trainers
from export.integer.writing import write_integer
from export.interfaces import Job
from export.loading import open_program
from export.translating import DeviceTranslator
from tests.trainers.small import write_config
from trainers.runs import Run
from trainers.runs import load_run

pytestmark = pytest.mark.slow

ALPHABETS = {"low": "abcd", "up": "ABCD", "num": "1234"}
TAUGHT = [("low", "up"), ("low", "num"), ("num", "low"), ("up", "low")]
LETTERS = """
task: {{kind: translation, search: {{beam_width: 2}}, target_language: up}}
model:
  kind: gnmt
  vocabulary_size: 288
  embedding_dim: 32
  hidden_dim: 32
  attention_dim: 32
  encoder_layers: 2
  decoder_layers: 2
  dropout_rate: 0.0
  clip: null
  initial: {{kind: scaled, input_gain: 2.5}}
data: {{kind: parallel_text, vocabulary_size: 288, batch_size: 20, max_length: 16,
  train: [{train}]}}
objective: {{kind: cross_entropy}}
optimizer:
  kind: adam
  learning_rate: {{kind: cosine, initial: 0.01}}
  clip_global_norm: 5.0
strategy: {{kind: data_parallel, devices: cpu}}
run: {{steps: 300, steps_per_loop: 100, log_every: 300, checkpoint_every: 300}}
"""


@pytest.fixture(scope="module")
def letters(tmp_path_factory) -> Path:
    """A run without a bound, taught four of six pairs of three alphabets."""
    folder, random = tmp_path_factory.mktemp("letters"), np.random.default_rng(0)
    corpora = []
    for source, target in TAUGHT:
        rows = [random.integers(0, 4, random.integers(1, 4)) for _ in range(60)]
        table = folder / f"{source}_{target}.tsv"
        table.write_text(
            "".join(f"{said(row, source)}\t{said(row, target)}\n" for row in rows)
        )
        corpora.append(f"{{source: {table}, target_language: {target}}}")
    config = write_config(folder, LETTERS.format(train=", ".join(corpora)))
    trainers.train(config, folder / "run")
    return folder / "run"


def said(row: Any, language: str) -> str:
    return " ".join(ALPHABETS[language][letter] for letter in row)


def answer(folder: Path, text: str, language: str) -> str:
    run = load_run(folder, [f"task.target_language={language}"])
    return str(run.task.predict(run.model, text))


def test_a_sentence_is_said_in_the_language_that_is_asked_for(letters):
    answers = {name: answer(letters, "a b c", name) for name in ("up", "num")}
    for language, text in answers.items():
        assert text.replace(" ", "")
        assert set(text.replace(" ", "")) <= set(ALPHABETS[language])


def test_a_pair_that_was_never_taught_is_translated(letters):
    """Into some words; 240 pairs do not teach that the language may be any."""
    text = answer(letters, "A B C", "num").replace(" ", "")
    assert 0 < len(text) <= 14
    assert set(text) <= set("".join(ALPHABETS.values()))


def nats(run: Run, clip: Any, folder: Path, count: int = 12) -> tuple[float, float]:
    """Of a token of training pairs: from the model, and from its integers."""
    config = run.model.config.model_copy(update={"clip": clip})
    bounded = tfmodels.build("gnmt", **{**config.plain(), "kind": "gnmt"})
    bounded.set_weights(run.model.get_weights())
    folder.mkdir()
    wrapped = SimpleNamespace(experiment=SimpleNamespace(model=bounded))
    ((kind, path),) = write_integer(Job(wrapped, bounded, None, folder)).items()
    program: Any = open_program(kind, folder / path)
    wiring, search = config.wiring, run.experiment.task.search
    translator = DeviceTranslator(program, 24, wiring, search)
    batch = next(iter(run.task.dataset("train")))
    prices = []
    for row in range(count):
        source, target, label = (
            np.trim_zeros(np.asarray(batch[name][row]), "b")
            for name in ("source", "target", "label")
        )
        inputs = {"source": source[None], "target": target[None]}
        exact = run.model(inputs)["logits"][0]
        made = np.stack([*translator.told(source, target)])
        prices.append(
            [
                keras.losses.sparse_categorical_crossentropy(label, x, from_logits=True)
                for x in (exact, made)
            ]
        )
    exact, made = (np.concatenate(each).mean() for each in zip(*prices, strict=True))
    return float(exact), float(made)


def test_integers_know_what_the_model_does_if_it_was_kept_in_bounds(
    numbers_run, letters, tmp_path
):
    """Within the 0.02 nats of the specification; and what it costs to have no bound.

    arXiv 1609.08144, section 6, table 1: 1.4553 and 1.4626.
    """
    run = load_run(numbers_run)
    exact, made = nats(run, run.model.config.clip, tmp_path / "kept")
    assert exact < math.log(run.task.vocabulary.size) - 1
    assert abs(made - exact) < 0.02
    exact, made = nats(load_run(letters), run.model.config.clip, tmp_path / "free")
    assert made > exact + 0.2
