"""Examples that a model is calibrated on: of its data, or texts that it makes up."""

import itertools
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.transformer.config import TransformerConfig
from tfmodels.transformer.stepping import SteppingTransformer
from trainers.experiment import Experiment
from trainers.interfaces import Task

_AT_ONCE = 16


def examples(
    experiment: Experiment, task: Task, model: keras.Model
) -> list[dict[str, Any]]:
    """Batches of at least ``export.calibration_examples`` examples, as arrays.

    Args:
      experiment: says which.
      task: opens its data.
      model: in floating point.

    Raises:
      ConfigError: a model that does not continue texts was to make them up.
    """
    count, config = experiment.export.calibration_examples, experiment.model
    batches = [
        *itertools.islice(
            task.dataset("train").as_numpy_iterator(), -(-count // task.batch_size)
        )
    ]
    if experiment.export.calibration_source == "train":
        return batches
    if not isinstance(config, TransformerConfig):
        raise ConfigError(
            "export.calibration_source: this model makes up no texts. Expected train,"
            f" or a transformer. Received model.kind: {config.plain()['kind']};"
            " correct export.calibration_source."
        )
    firsts = np.concatenate([batch["tokens"][:, 0] for batch in batches])[:count]
    parts = np.split(firsts, range(_AT_ONCE, count, _AT_ONCE))
    stepping = SteppingTransformer(model, config)
    made = [
        _made_up(stepping, config.max_length, part, (experiment.run.seed, place))
        for place, part in enumerate(parts)
    ]
    return [
        {"tokens": tokens, "weight": np.ones(tokens.shape, np.float32)}
        for tokens in made
    ]


def _made_up(
    model: SteppingTransformer, length: int, first: np.ndarray, seed: tuple[int, int]
) -> np.ndarray:
    """Sequences int32 [n, length] that begin with tokens [n]; the rest is drawn."""
    number = len(first)

    @tf.function(autograph=False)
    def draw() -> tf.Tensor:
        kept = tf.TensorArray(tf.int32, length, element_shape=[number])

        def body(place: Any, tokens: Any, state: Any, kept: Any) -> Any:
            kept = kept.write(place, tokens)
            found = model.step(tokens, state)
            own = tf.stack([seed[0], seed[1] * length + place])
            drawn = tf.random.stateless_categorical(
                found.log_probs, 1, own, dtype=tf.int32
            )
            return place + 1, drawn[:, 0], found.state, kept

        state = model.initial_state(number)
        *_, kept = tf.while_loop(
            lambda place, *_: place < length,
            body,
            (0, tf.constant(first, tf.int32), state, kept),
        )
        return tf.transpose(kept.stack())

    return np.asarray(draw())
