"""What makes sound of a synthesiser's spectra: an algorithm, or a trained network."""

from pathlib import Path
from typing import Any

from tfmodels.audio.griffin_lim import GriffinLim
from tfmodels.audio.presets import MelPreset
from tfmodels.errors import ConfigError
from tfmodels.wavernn.config import WaveRNNConfig
from tfmodels.wavernn.vocoder import WaveRNNVocoder
from trainers.runs import RunFolder
from trainers.runs import load_weights
from trainers.runs import newest
from trainers.tasks.models import build_model

Vocoder = GriffinLim | WaveRNNVocoder
"""Called with log-mel spectra float32 [b, T, M] and lengths int32 [b], frames, it makes
samples float32 [b, hop T]."""


def open_vocoder(folder: str | None, preset: MelPreset, seed: int = 0) -> Vocoder:
    """Opens the run of a trained vocoder.

    Args:
      folder: of the run; Griffin and Lim's algorithm is taken when absent.
      preset: numbers of the spectra that it must have learned from.
      seed: origin of what it draws.

    Raises:
      ConfigError: it is none, or has learned from other spectra.
      DataError: the folder holds no run, or no intact checkpoint.
    """
    if folder is None:
        return GriffinLim(preset)
    run = RunFolder(Path(folder))
    experiment = run.experiment()
    config: Any = experiment.model
    if not isinstance(config, WaveRNNConfig):
        raise ConfigError(
            f"task.vocoder: {folder} is no vocoder. Expected a run of model.kind:"
            f" wavernn. Received model.kind: {config.kind}."
        )
    learned: Any = experiment.training_stages()[-1].data
    if learned.preset.identity != preset.identity:
        raise ConfigError(
            f"task.vocoder: {folder} has learned from other spectra than the model"
            f" makes. Expected data.front_end with the numbers {preset.plain()}."
            f" Received {learned.front_end}: {learned.preset.plain()}."
        )
    model = build_model(config, "float32")
    load_weights(newest(run), model)
    return WaveRNNVocoder(model, preset, seed)


def resources_of(vocoder: Vocoder) -> tuple[Any, ...]:
    """What a graph with a vocoder in it holds; see `export.interfaces.Endpoint`."""
    return (vocoder.model,) if isinstance(vocoder, WaveRNNVocoder) else ()
