"""Number words and the smallest GNMT: seconds to train, all parts involved."""

from pathlib import Path
from typing import Any

import keras

from trainers.configuration import read_yaml
from trainers.experiment import Experiment
from trainers.runs import RunFolder
from trainers.stages import open_task
from trainers.state import named_variables

NUMBERS = """
task: {kind: translation, search: {beam_width: 3, n_best: 2, max_length_extra: 4}}
model:
  kind: gnmt
  vocabulary_size: 300
  embedding_dim: 12
  hidden_dim: 12
  attention_dim: 8
  encoder_layers: 2
  decoder_layers: 2
  dropout_rate: 0.0
  clip: {start: 4.0, end: 1.0, start_step: 10, end_step: 40}
  initial: {kind: scaled, input_gain: 2.5}
data: {kind: number_words, vocabulary_size: 300, batch_size: 16, max_length: 24,
  numbers: 400, train_examples: 300, test_examples: 20}
objective: {kind: cross_entropy}
optimizer:
  kind: adam
  learning_rate: {kind: constant, initial: 0.02}
  clip_global_norm: 5.0
strategy: {kind: data_parallel, devices: cpu}
run: {steps: 40, steps_per_loop: 10, log_every: 20, checkpoint_every: 20}
"""


def numbers(**sections: dict[str, Any]) -> Experiment:
    """The experiment, with changes to its sections."""
    values = read_yaml(NUMBERS, "numbers")
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return Experiment.parse(values)


def two_languages(folder: Path) -> dict[str, Any]:
    """Letters, to be said after one another in one language, backwards in the other."""
    words = ["a b c d a", "b c d b", "d a c c b a", "c", "a c b d c", "d d b a b"]
    corpora = []
    for language, step in (("fr", 1), ("ba", -1)):
        table = folder / f"{language}.tsv"
        lines = (f"{word}\t{word[::step]}" for word in words)
        table.write_text("\n".join(lines) + "\n", encoding="utf-8")
        corpora.append({"source": str(table), "target_language": language})
    return {
        "kind": "parallel_text",
        "train": corpora,
        "test": corpora,
        "batch_size": 5,
        "vocabulary_size": 270,
        "max_length": 16,
    }


def write_run(folder: Path, experiment: Experiment, seed: int) -> Any:
    """A run whose model has its first weights, and scores that differ; the model."""
    keras.utils.set_random_seed(seed)
    task = open_task(experiment, experiment.data)
    model = task.build_model()
    model.softmax.assign(20 * model.softmax)
    run = RunFolder(folder)
    run.claim(experiment)
    run.remember(task)
    state = named_variables("model", model.variables, model.weights)
    run.checkpoints().save(state, 1, "train")
    return model
