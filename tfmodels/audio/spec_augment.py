"""SpecAugment: masks over bands and over time, and a warp of time."""

import tensorflow as tf

from tfmodels.audio.config import SpecAugmentConfig

_WARP_DRAWS = 2


class SpecAugment:
    """Changes features of training examples (arXiv:1904.08779, section 2).

    Every number of a mask follows from the example's own seed, though programs that XLA
    compiles draw other ones. Shapes are those of the argument.
    """

    def __init__(self, config: SpecAugmentConfig) -> None:
        """Takes widths and numbers of masks."""
        self.config = config
        self.num_draws = _WARP_DRAWS + 2 * (config.frequency_masks + config.time_masks)
        """Uniform numbers that an example needs."""

    def __call__(
        self, features: tf.Tensor, lengths: tf.Tensor, seed: tf.Tensor
    ) -> tf.Tensor:
        """Warps and masks a batch.

        Args:
          features: float32 [b, T, D].
          lengths: int32 [b], frames before the padding.
          seed: int64 [b, 2], of each example.

        Returns:
          float32 [b, T, D], 0 in the padding.
        """
        draws = tf.map_fn(
            lambda each: tf.random.stateless_uniform(
                [self.num_draws], each, alg="philox"
            ),
            seed,
            fn_output_signature=tf.TensorSpec([self.num_draws], tf.float32),
        )
        return self.apply(features, lengths, draws)

    def apply(
        self, features: tf.Tensor, lengths: tf.Tensor, draws: tf.Tensor
    ) -> tf.Tensor:
        """What follows from given numbers.

        Args:
          features: float32 [b, T, D].
          lengths: int32 [b].
          draws: float32 [b, num_draws], from 0 to 1, 1 not included. In this order:
            centre and distance of the warp, width and place of each mask over bands,
            width and place of each over time.
        """
        config = self.config
        shape, length = tf.shape(features), tf.cast(lengths, tf.float32)
        frames, bands = tf.range(shape[1]), tf.range(shape[2])
        there = (frames < lengths[:, None])[..., None]
        if config.warp:
            features = _warped(features, length, draws[:, 0], draws[:, 1], config.warp)
        count = tf.maximum(length, 1)[:, None]
        total = tf.reduce_sum(tf.where(there, features, 0.0), axis=1)
        mean = (total / count)[:, None]
        masked = tf.zeros_like(features, tf.bool)
        place = _WARP_DRAWS
        width = tf.cast(shape[2], tf.float32)
        for _ in range(config.frequency_masks):
            widest = tf.minimum(float(config.frequency_width), width)
            mask = _mask(bands, draws[:, place], draws[:, place + 1], widest, width)
            masked |= mask[:, None, :]
            place += 2
        for _ in range(config.time_masks):
            widest = tf.minimum(
                float(config.time_width), tf.floor(config.time_share * length)
            )
            mask = _mask(frames, draws[:, place], draws[:, place + 1], widest, length)
            masked |= mask[:, :, None]
            place += 2
        return tf.where(there, tf.where(masked, mean, features), 0.0)


def _mask(
    places: tf.Tensor,
    first: tf.Tensor,
    second: tf.Tensor,
    widest: tf.Tensor,
    end: object,
) -> tf.Tensor:
    """Places inside of a mask, bool [b, n].

    The width is uniform from 0 to `widest`, the place so that the mask ends before
    `end`, or takes all there is.
    """
    width = tf.floor(first * (widest + 1))
    start = tf.floor(second * tf.maximum(end - width, 1))
    at = tf.cast(places, tf.float32)
    return (at >= start[:, None]) & (at < (start + width)[:, None])


def _warped(
    features: tf.Tensor,
    length: tf.Tensor,
    first: tf.Tensor,
    second: tf.Tensor,
    widest: int,
) -> tf.Tensor:
    """Moves a point in time, and all others with it, between two fixed ends.

    The point is uniform from W to T - W and moved by a whole number of frames, uniform
    from -W to W; features between two frames are interpolated. Utterances of at most
    2 W frames stay as they are.
    """
    reach = float(widest)
    room = length - 2 * reach
    centre = reach + tf.floor(first * tf.maximum(room, 1))
    shift = tf.floor(second * (2 * reach + 1)) - reach
    moved = centre + shift
    last = length - 1
    # A shift by the whole reach would leave nothing on one side.
    moved = tf.clip_by_value(moved, 1.0, tf.maximum(last - 1, 1.0))
    at = tf.cast(tf.range(tf.shape(features)[1]), tf.float32)[None, :]
    before = at * (centre / moved)[:, None]
    slope = (last - centre) / tf.maximum(last - moved, 1.0)
    after = centre[:, None] + (at - moved[:, None]) * slope[:, None]
    source = tf.where(at < moved[:, None], before, after)
    source = tf.clip_by_value(source, 0.0, tf.maximum(last, 0)[:, None])
    low = tf.floor(source)
    high = tf.minimum(low + 1, tf.maximum(last, 0)[:, None])
    share = (source - low)[..., None]
    below, above = (
        tf.gather(features, tf.cast(index, tf.int32), batch_dims=1)
        for index in (low, high)
    )
    warped = below + share * (above - below)
    return tf.where((room > 0)[:, None, None], warped, features)
