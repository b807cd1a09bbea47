"""A tiny recogniser of tones, its weights drawn, and how it is exported."""

from pathlib import Path
from typing import Any

import numpy as np

from export.signatures.speech_recognition import SpeechRecognitionSignatures
from tests.trainers.data.speech.corpora import write_manifest
from trainers.experiment import Experiment
from trainers.stages import open_task

MODEL = {
    "kind": "las",
    "feature_dim": 5,
    "left": 1,
    "stride": 2,
    "encoder": {"num_layers": 1, "hidden_dim": 6, "pair_after": [1]},
    "attention": {"heads": 2, "width": 3},
    "decoder": {"num_layers": 2, "hidden_dim": 5, "embedding_dim": 3},
    "vocabulary_size": 14,
    "num_varieties": 3,
}
SEARCH = {
    "beam_width": 3,
    "length_penalty": 0.0,
    "coverage_penalty": 0.0,
    "end_margin": 5.0,
    "max_length_factor": 1.0,
    "max_length_extra": 4,
}


def recogniser(folder: Path, **changes: Any) -> Experiment:
    """An experiment on recordings of tones, written here; changes are of sections."""
    values: dict[str, Any] = {
        "task": {"kind": "speech_recognition", "search": SEARCH},
        "model": MODEL,
        "data": {
            "kind": "speech_manifest",
            "manifest": str(write_manifest(folder)),
            "sample_rate": 8000,
            "mel_bins": 5,
            "batch_size": 4,
            "buckets": [{"frames": 100, "units": 20}],
        },
        "objective": {"kind": "cross_entropy"},
        "optimizer": {
            "kind": "adam",
            "learning_rate": {"kind": "constant", "initial": 1},
        },
        "run": {"steps": 1},
    }
    for section, change in changes.items():
        values[section] = {**values[section], **change}
    return Experiment.parse(values)


class Opened:
    """Signatures of an experiment, its task and a model with drawn weights."""

    def __init__(self, experiment: Experiment) -> None:
        self.task: Any = open_task(experiment, experiment.data)
        files = SpeechRecognitionSignatures.files_of(self.task)
        self.signatures = SpeechRecognitionSignatures(experiment, files)
        self.model = self.task.build_model()
        random = np.random.default_rng(1)
        for weight in self.model.trainable_weights:
            weight.assign(random.normal(0, 0.6, weight.shape))
        # Padding, start and unknown are not said; an end and varieties seldom.
        bias = self.model.bias.numpy()
        bias[:7] -= [9, 9, 2, 9, 3, 3, 3]
        self.model.bias.assign(bias)
