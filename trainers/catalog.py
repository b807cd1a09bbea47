"""The explicit tables: kind of task, objective, strategy ... -> where it is written.

Names only, so that reading a configuration never imports TensorFlow.
"""

import importlib
from typing import Any

IMPLEMENTATIONS: dict[str, dict[str, str]] = {
    "task": {
        "acoustic_modeling": "trainers.tasks.acoustic_modeling:AcousticModeling",
        "detection": "trainers.tasks.detection:Detection",
        "image_classification": (
            "trainers.tasks.image_classification:ImageClassification"
        ),
        "language_modeling": "trainers.tasks.language_modeling:LanguageModeling",
        "speech_recognition": ("trainers.tasks.speech_recognition:SpeechRecognition"),
        "speech_synthesis": "trainers.tasks.speech_synthesis:SpeechSynthesis",
        "translation": "trainers.tasks.translation:Translation",
        "vocoding": "trainers.tasks.vocoding:Vocoding",
    },
    "objective": {
        "cross_entropy": "trainers.objectives.cross_entropy:CrossEntropy",
        "detection": "trainers.objectives.detection:DetectionObjective",
        "expected_reward": "trainers.objectives.expected_reward:ExpectedReward",
        "minimum_word_error": (
            "trainers.objectives.minimum_word_error.objective:MinimumWordError"
        ),
        "quantization_aware": (
            "trainers.objectives.quantization_aware.objective:QuantizationAware"
        ),
        "reward_augmented": (
            "trainers.objectives.reward_augmented.objective:RewardAugmented"
        ),
        "sequence_discriminative": (
            "trainers.objectives.sequence_discriminative.objective"
            ":SequenceDiscriminative"
        ),
        "synthesis": "trainers.objectives.synthesis:Synthesis",
        "weight_noise": "trainers.objectives.weight_noise.objective:WeightNoise",
    },
    "compression": {
        "clustering": "trainers.compression.clustering:Clustering",
        "pruning": "trainers.compression.pruning:Pruning",
        "quantization_aware": "trainers.compression.quantization:QuantizationAware",
    },
    "strategy": {
        "data_parallel": "trainers.strategies.data_parallel.strategy:DataParallel",
        "pipeline": "trainers.strategies.pipeline.strategy:Pipeline",
        "parameter_server": (
            "trainers.strategies.parameter_server.strategy:ParameterServer"
        ),
    },
}


def implementation(role: str, kind: str) -> Any:
    """The class that implements a `kind` of a role, such as "task" or "strategy"."""
    module, name = IMPLEMENTATIONS[role][kind].split(":")
    return getattr(importlib.import_module(module), name)
