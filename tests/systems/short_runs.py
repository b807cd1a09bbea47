"""Trains a shipped configuration for a few epochs and takes it to a device."""

from pathlib import Path

import export
import trainers


def train_export_verify(
    config: str, workdir: Path, epochs: int, overrides: tuple[str, ...] = ()
) -> tuple[float, float]:
    """Held-out top-1 of the averaged weights, and of the integer-only TFLite file."""
    result = trainers.train(config, workdir, [f"run.steps={epochs} epochs", *overrides])
    artefact = export.export(workdir, "tflite_int8", workdir / "int8")
    verification = export.verify(artefact)
    return result.metrics["test/top1"], verification.checks[-1].metrics["top1"]
