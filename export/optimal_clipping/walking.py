"""Walks any Keras 3 model and quantizes it layer by layer, by the rules of a policy."""

from collections.abc import Callable
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from export.optimal_clipping.calibration import Calibration
from export.optimal_clipping.figures import LayerFigures
from export.optimal_clipping.figures import figures_of
from export.optimal_clipping.progress import Progress
from export.optimal_clipping.sharing import Replicas
from tfmodels.errors import ConfigError
from tfmodels.quantization.attention import tell_parts
from tfmodels.quantization.groups import spread
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.rows import rows_of
from tfmodels.quantization.rows import set_rows
from tfmodels.quantization.targets import Solved
from tfmodels.quantization.targets import Target
from tfmodels.quantization.targets import pack_target
from tfmodels.quantization.targets import solve_rows
from tfmodels.quantization.targets import targets


class Resources(NamedTuple):
    """What a walk may use besides the weights."""

    folder: Path | None = None
    """Where finished layers are kept, so that a job that was killed goes on where it
    was; they are used again for the same weights, inputs and rule only."""
    calibration: Calibration | None = None
    """Tells what layers are given, for rules that need it."""
    replicas: Replicas | None = None
    """They share the rows of each layer; the result is the same, bit for bit."""


def quantize_model(
    model: keras.Model,
    policy: Policy,
    folder: Path | None = None,
    calibration: Calibration | None = None,
    distribution: tf.distribute.Strategy | None = None,
) -> list[LayerFigures]:
    """Quantizes a model where it is, one layer at a time.

    Args:
      model: built; its layers become those of `tfmodels.quantization.layers`.
      policy: what becomes of which layer.
      folder: see `Resources`.
      calibration: see `Resources`.
      distribution: its replicas share the rows of each layer.

    Returns:
      Figures of each quantized layer.

    Raises:
      ConfigError: nothing can be quantized, there is no such method, or a layer that is
        to be calibrated has no inputs that can be seen.
      DataError: a weight is not finite, or `folder` cannot be written to.
    """
    figures = []
    resources = Resources(folder, calibration, _replicas(distribution))
    for target, rows, solved in _solved(model, policy, resources):
        pack_target(model, target, solved.quantized)
        figures.append(figures_of(target.path, target.rule, rows, *solved))
    for layer in model._flatten_layers():
        tell_parts(layer)
    # Functions that Keras has traced know the weights of before.
    model.train_function = model.test_function = model.predict_function = None
    return figures


def clip_model(
    model: keras.Model,
    policy: Policy,
    calibration: Calibration | None = None,
    distribution: tf.distribute.Strategy | None = None,
) -> list[LayerFigures]:
    """Clips a model's weights to their ranges and leaves them in floating point.

    Args, returned figures and errors are those of `quantize_model`.
    """

    def clipped(rows: np.ndarray, solved: Solved) -> np.ndarray:
        size = solved.quantized.group_size
        low = spread(solved.ranges.low, rows.shape[1], size)
        high = spread(solved.ranges.high, rows.shape[1], size)
        return np.clip(rows, low, high)

    resources = Resources(None, calibration, _replicas(distribution))
    return _changed(model, policy, resources, clipped)


def round_model(
    model: keras.Model, policy: Policy, calibration: Calibration | None = None
) -> list[LayerFigures]:
    """Gives a model the weights that its codes stand for, in floating point.

    Args, returned figures and errors are those of `quantize_model`.
    """
    return _changed(
        model,
        policy,
        Resources(None, calibration),
        lambda rows, solved: solved.quantized.dequantize(),
    )


def _changed(
    model: keras.Model,
    policy: Policy,
    resources: Resources,
    change: Callable[[np.ndarray, Solved], np.ndarray],
) -> list[LayerFigures]:
    figures = []
    for target, rows, solved in _solved(model, policy, resources):
        set_rows(target.layer, change(rows, solved), target.name)
        figures.append(figures_of(target.path, target.rule, rows, *solved))
    return figures


def _solved(
    model: keras.Model, policy: Policy, resources: Resources
) -> Iterator[tuple[Target, np.ndarray, Solved]]:
    progress = None if resources.folder is None else Progress(resources.folder)
    for target, moments in _with_moments(targets(model, policy), resources.calibration):
        rows = rows_of(target.layer, target.name)
        if progress is None:
            yield target, rows, _solve(target, rows, moments, resources)
            continue
        key = progress.key(rows, target.rule, moments)
        kept = progress.read(target.path, key)
        if kept is None:
            solved = _solve(target, rows, moments, resources)
            progress.write(target.path, key, *solved)
        else:
            solved = Solved(*kept)
        yield target, rows, solved


def _with_moments(
    found: list[Target], calibration: Calibration | None
) -> Iterator[tuple[Target, np.ndarray | None]]:
    """Targets, those that need no inputs first, then the others as inputs flow."""
    calibrated = [target for target in found if target.rule.calibration is not None]
    for target in found:
        if target.rule.calibration is None:
            yield target, None
    if not calibrated:
        return
    if calibration is None:
        raise ConfigError(
            f"export.clipping: {calibrated[0].path} is to be calibrated. Expected"
            " examples. Received weights alone; leave calibration out of its rule."
        )
    for group in calibration.in_order(calibrated):
        moments = calibration.moments(group[0])
        for target in group:
            yield target, moments


def _solve(
    target: Target, rows: np.ndarray, moments: np.ndarray | None, resources: Resources
) -> Solved:
    rule, replicas = target.rule, resources.replicas
    solve = partial(solve_rows, rule=rule, name=target.path, moments=moments)
    if replicas is None or rule.group_size == "tensor":
        return solve(rows)
    return replicas.solve(solve, rows)


def _replicas(distribution: tf.distribute.Strategy | None) -> Replicas | None:
    if distribution is None or distribution.num_replicas_in_sync == 1:
        return None
    return Replicas(distribution)
