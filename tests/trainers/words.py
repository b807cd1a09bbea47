"""A word loop of a few short utterances and a small network: seconds to train."""

from typing import Any

from trainers.configuration import read_yaml
from trainers.experiment import Experiment

WORDS = """
task: {kind: acoustic_modeling, self_loop: 0.45, self_loop_scale: 1.0,
  silence_prob: 0.2, acoustic_scale: 0.5, other_scales: [0.25]}
model: {kind: acoustic_dnn, feature_dim: 12, num_pdfs: 87, left_context: 1,
  right_context: 1, hidden_dims: [16], activation: relu}
data: {kind: word_loop, batch_size: 4, train_utterances: 24, test_utterances: 6,
  speakers: 2, max_frames: 60}
objective: {kind: cross_entropy}
optimizer: {kind: adam, learning_rate: {kind: constant, initial: 0.002}}
strategy: {kind: data_parallel, devices: cpu}
run: {evaluate_every: 12}
stages:
  - {name: cross_entropy, steps: 12}
  - name: sequence
    steps: 1
    objective: {kind: sequence_discriminative, criterion: mmi, acoustic_scale: 0.5}
    optimizer: {kind: sgd, learning_rate: {kind: constant, initial: 1.0e-12}}
"""


def words(**sections: dict[str, Any]) -> Experiment:
    """The experiment, with changes to its sections."""
    values = read_yaml(WORDS, "words")
    for name, section in sections.items():
        values[name] = {**values[name], **section}
    return Experiment.parse(values)
