"""Pictures of synthetic speech: spectra beside recorded ones; what was read when."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from trainers.interfaces import Batch
from trainers.interfaces import Outputs
from trainers.summaries import figures
from trainers.tasks.spoken import SpokenPiece

_MAX_DRAWN = 4
# Seconds between two times beside a drawing of attention.
_TICK = 0.2


def pairs(batch: Batch, said: Outputs, rate: float) -> Any:
    """Recorded mel spectra, each with that of what a model says behind it.

    Args:
      batch: of the task.
      said: of `Tacotron.free_run`.
      rate: frames a second.
    """
    drawn, names = [], []
    mel, frames = np.asarray(batch["mel"]), np.asarray(batch["frames"])
    made, lengths = np.asarray(said["energies"]), np.asarray(said["lengths"])
    for row in shown(batch):
        drawn += [mel[row, : frames[row]], made[row, : lengths[row]]]
        number = np.asarray(batch["index"])[row]
        names += [f"utterance {number}, recorded", f"utterance {number}, said"]
    return figures.spectrograms(drawn, names, names, rate=rate)


def recorded(batch: Batch, rate: float) -> Any:
    """Mel spectra of some utterances; for the arguments see `pairs`."""
    mel, frames = np.asarray(batch["mel"]), np.asarray(batch["frames"])
    rows = shown(batch)
    names = [f"utterance {number}" for number in np.asarray(batch["index"])[rows]]
    sounds = [mel[row, : frames[row]] for row in rows]
    return figures.spectrograms(sounds, names, names, rate=rate)


def alignment(
    names: Sequence[str], batch: Batch, said: Outputs, step_seconds: float
) -> Any:
    """What each step attended to, as it says some texts.

    Args:
      names: of symbols.
      batch: of the task.
      said: of `Tacotron.free_run`.
      step_seconds: how long a step is.
    """
    every = max(1, round(_TICK / step_seconds))
    shares, lengths = np.asarray(said["alignment"]), np.asarray(said["lengths"])
    r = said["energies"].shape[1] // shares.shape[1]
    drawn = []
    for row in shown(batch):
        steps = range(lengths[row] // r)
        times = [f"{n * step_seconds:.1f}" if n % every == 0 else "" for n in steps]
        ids = np.asarray(batch["symbols"][row])[: int(batch["symbol_lengths"][row])]
        drawn.append(([names[each] for each in ids], times, shares[row]))
    return figures.alignments(drawn)


def shown(batch: Batch) -> np.ndarray:
    """Rows of a batch that are drawn."""
    return np.flatnonzero(np.asarray(batch["weight"]) > 0)[:_MAX_DRAWN]


def spoken(pieces: Sequence[SpokenPiece], titles: Sequence[str], rate: float) -> Figure:
    """The spectrum of each piece that was said, and beside it what was read when.

    Args:
      pieces: N of them.
      titles: N texts.
      rate: frames a second.
    """
    figure = Figure(figsize=(11, 3.4 * len(pieces)), layout="constrained")
    for row, (piece, title) in enumerate(zip(pieces, titles, strict=True)):
        left, right = (
            figure.add_subplot(len(pieces), 2, 2 * row + column) for column in (1, 2)
        )
        seconds = len(piece.energies) / rate
        low: Any = {"origin": "lower", "aspect": "auto"}
        bands = piece.energies.shape[1]
        left.imshow(piece.energies.T, extent=(0, seconds, 0, bands), **low)
        left.set_title(title, size="small", parse_math=False)
        left.set(xlabel="seconds", ylabel="mel band")
        rows = (-0.5, len(piece.symbols) - 0.5)
        right.imshow(piece.alignment.T, cmap="Blues", extent=(0, seconds, *rows), **low)
        right.set_yticks(
            range(len(piece.symbols)), piece.symbols, size="x-small", parse_math=False
        )
        right.set(xlabel="seconds")
    return figure
