"""What is exported for each kind of task, one file per kind."""

import importlib

from export.interfaces import Signatures
from tfmodels.errors import ConfigError

SIGNATURES: dict[str, str] = {
    "acoustic_modeling": "export.signatures.acoustic_modeling:"
    "AcousticModelingSignatures",
    "detection": "export.signatures.detection:DetectionSignatures",
    "image_classification": (
        "export.signatures.image_classification:ImageClassificationSignatures"
    ),
    "language_modeling": "export.signatures.language_modeling:"
    "LanguageModelingSignatures",
    "speech_recognition": (
        "export.signatures.speech_recognition:SpeechRecognitionSignatures"
    ),
    "speech_synthesis": (
        "export.signatures.speech_synthesis:SpeechSynthesisSignatures"
    ),
    "translation": "export.signatures.translation:TranslationSignatures",
}
"""The explicit table: kind of task -> ``module:class``."""


def signatures_class(kind: str) -> type[Signatures]:
    """Imports the signatures of a kind of task.

    Raises:
      ConfigError: nothing is exported for it.
    """
    if kind not in SIGNATURES:
        raise ConfigError(
            "this kind of task cannot be exported. Expected task.kind to be one of"
            f" {', '.join(SIGNATURES)}. Received task.kind: {kind}."
        )
    module, name = SIGNATURES[kind].split(":")
    cls: type[Signatures] = getattr(importlib.import_module(module), name)
    return cls
