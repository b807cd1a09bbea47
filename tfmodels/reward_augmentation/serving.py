"""The sampler as a function of plain tensors, to be saved and used elsewhere."""

from typing import Any

import tensorflow as tf

from tfmodels.reward_augmentation.sampler import Sampler


def signature(sampler: Sampler) -> Any:
    """A compiled function that draws one output for each reference.

    Its inputs are ``ids`` int32 [b, m], padded; ``length`` int32 [b]; ``seed`` int32
    [2], for the whole batch; ``tau`` float32 []. Its outputs are ``ids`` int32 [b, n];
    ``length`` and ``distance`` int32 [b]; and ``log_weight`` float32 [b], to which a
    reward over its own temperature is added for the log of an importance weight.
    """

    @tf.function(
        autograph=False,
        input_signature=[
            tf.TensorSpec([None, None], tf.int32, "ids"),
            tf.TensorSpec([None], tf.int32, "length"),
            tf.TensorSpec([2], tf.int32, "seed"),
            tf.TensorSpec([], tf.float32, "tau"),
        ],
    )
    def draw(
        ids: tf.Tensor, length: tf.Tensor, seed: tf.Tensor, tau: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        keys = tf.random.stateless_uniform(
            [tf.shape(ids)[0], 3],
            seed,
            minval=None,
            maxval=None,
            dtype=tf.uint32,
            alg="philox",
        )
        drawn = sampler(ids, length, tf.ones_like(ids, tf.bool), keys, tau)
        return {
            "ids": drawn.ids,
            "length": drawn.lengths,
            "distance": drawn.distance,
            "log_weight": -drawn.log_prob,
        }

    return draw
