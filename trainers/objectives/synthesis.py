"""The loss of a synthesiser: frames, their end, and what guides its parts."""

from typing import TYPE_CHECKING

import tensorflow as tf

from trainers.interfaces import Loss
from trainers.interfaces import Objective
from trainers.objectives.config import SynthesisConfig

if TYPE_CHECKING:
    from trainers.interfaces import Batch
    from trainers.interfaces import Outputs
    from trainers.interfaces import Totals
    from trainers.tasks.speech_synthesis import SpeechSynthesis

# What a true symbol without attention counts: -log of this.
_LEAST_SHARE = 1e-3
_NEVER = -1e9


class Synthesis(Objective):
    """Objective: squared errors of normalised frames, before and after the post-net,
    and the means of the other terms (Zhang et al., arXiv 1907.04448; Shen et al., arXiv
    1712.05884).

    The one denominator of the whole is the number of frames. A term of which there is
    one for each step, symbol or utterance is multiplied by how many frames there are to
    one of these in the training split: a constant, so that sums of parts add up.
    """

    def __init__(self, config: SynthesisConfig, task: "SpeechSynthesis") -> None:
        """Takes weights, and of the task how many frames there are to a symbol."""
        self.config = config
        self._frames_per = task.frames_per

    def loss(self, outputs: "Outputs", batch: "Batch") -> Loss:
        """Loss of one replica's batch.

        Args:
          outputs: of `Tacotron`.
          batch: of the task; ``token`` int32 [b, T] are the symbols that frames are of,
            -1 where they are not known.

        Returns:
          The sums; each term has its own weight: frames, steps, utterances or symbols.
        """
        config, per, weight = self.config, self._frames_per, batch["weight"]
        mask = _there(batch["frames"], outputs["mel"].shape[1], weight)
        frames = tf.reduce_sum(mask)
        terms: Totals = {}
        total = tf.constant(0.0)
        for name in ("mel", "mel_post"):
            squares = tf.square(outputs[name] - outputs["target"])
            error = tf.reduce_sum(tf.reduce_mean(squares, -1) * mask)
            terms[f"{name}_error"] = (error, frames)
            total += error
        steps = self._steps(outputs, batch)
        terms["stop"] = self._stop(outputs["stop"], batch, steps)
        total += config.stop_weight * per.step * terms["stop"][0]
        made = outputs["training_step"][0]
        if "residual_mean" in outputs:
            nats = divergence(
                outputs["residual_mean"], outputs["residual_log_variance"]
            )
            terms["kl"] = (tf.reduce_sum(nats * weight), tf.reduce_sum(weight))
            risen = tf.minimum(made / config.kl_steps, 1.0)
            total += config.kl_weight * risen * per.utterance * terms["kl"][0]
        if "speaker_logits" in outputs:
            terms["speaker_cross_entropy"] = self._adversary(outputs, batch)
            factor = config.classifier_weight * per.symbol
            total += factor * terms["speaker_cross_entropy"][0]
        left = tf.maximum(1 - made / config.guidance_steps, 0.0)
        if config.guided_weight:
            off = off_diagonal(
                outputs["alignment"],
                tf.reduce_sum(steps, 1),
                batch["symbol_lengths"],
                config.guided_width,
            )
            terms["guided"] = (tf.reduce_sum(off * steps), tf.reduce_sum(steps))
            total += config.guided_weight * left * per.step * terms["guided"][0]
        if config.monotone_weight:
            lost = monotone_surprise(
                outputs["alignment"], tf.reduce_sum(steps, 1), batch["symbol_lengths"]
            )
            terms["monotone"] = tf.reduce_sum(lost * batch["weight"]), terms["stop"][1]
            factor = config.monotone_weight * left * per.step
            total += factor * terms["monotone"][0]
        if config.alignment_weight:
            share, known = attention_to_truth(outputs["alignment"], batch["token"])
            known *= steps
            surprise = -tf.math.log(share + _LEAST_SHARE)
            terms["alignment"] = (tf.reduce_sum(surprise * known), tf.reduce_sum(known))
            total += config.alignment_weight * left * per.step * terms["alignment"][0]
        return Loss(total, frames, terms)

    def _steps(self, outputs: "Outputs", batch: "Batch") -> tf.Tensor:
        """1 for each step of the decoder that is there, float32 [b, S]."""
        most = outputs["stop"].shape[1]
        r = outputs["mel"].shape[1] // most
        return _there(-(-batch["frames"] // r), most, batch["weight"])

    def _stop(
        self, logits: tf.Tensor, batch: "Batch", steps: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        # The last one is there, and the one behind it is not.
        after = tf.pad(steps[:, 1:], [[0, 0], [0, 1]])
        last = tf.cast((steps > 0) & (after == 0), tf.float32)
        losses = tf.nn.weighted_cross_entropy_with_logits(
            last, logits, self.config.stop_positive
        )
        return tf.reduce_sum(losses * steps), tf.reduce_sum(steps)

    def _adversary(
        self, outputs: "Outputs", batch: "Batch"
    ) -> tuple[tf.Tensor, tf.Tensor]:
        logits, unit = outputs["speaker_logits"], outputs["unit"]
        mask = _there(batch["symbol_lengths"], logits.shape[1], batch["weight"])
        label = tf.broadcast_to(batch["speaker"][:, None], tf.shape(logits))
        losses = tf.nn.softmax_cross_entropy_with_logits(label, logits)
        # Says what a symbol's loss counts; see `reverse_gradient`.
        losses += unit - tf.stop_gradient(unit)
        return tf.reduce_sum(losses * mask), tf.reduce_sum(mask)


def divergence(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """Nats of a normal distribution of no covariance from the standard one, [b].

    Args:
      mean: float32 [b, Z].
      log_variance: float32 [b, Z].
    """
    parts = tf.square(mean) + tf.exp(log_variance) - 1 - log_variance
    return 0.5 * tf.reduce_sum(parts, -1)


def off_diagonal(
    alignment: tf.Tensor, steps: tf.Tensor, symbols: tf.Tensor, width: float
) -> tf.Tensor:
    """How much attention is far from the diagonal, from 0 to 1, float32 [b, S].

    ``sum_j a_tj (1 - exp(-(j / N - t / T)^2 / 2 g^2))`` (Tachibana et al., arXiv
    1710.08969).

    Args:
      alignment: float32 [b, S, N].
      steps: float32 [b], of each row.
      symbols: int32 [b], of each row.
      width: g.
    """
    time = tf.range(alignment.shape[1], dtype=tf.float32)[None]
    place = tf.range(alignment.shape[2], dtype=tf.float32)[None]
    time /= tf.maximum(steps, 1)[:, None]
    place /= tf.maximum(tf.cast(symbols, tf.float32), 1)[:, None]
    away = place[:, None] - time[:, :, None]
    return tf.reduce_sum(
        alignment * (1 - tf.exp(-tf.square(away) / (2 * width**2))), -1
    )


def monotone_surprise(
    alignment: tf.Tensor, steps: tf.Tensor, symbols: tf.Tensor
) -> tf.Tensor:
    """``-log`` of the attention of all ways through the texts in their order, [b].

    What is multiplied along a way is the attention of each step to the symbol that the
    way is at; ways are added up (Badlani et al., arXiv 2108.10447, whose steps are
    single frames). A way stays at a symbol, goes to the next, or passes over one, as a
    step may be longer than a phoneme; it begins at one of the first two, and ends at
    one of the last two.

    Args:
      alignment: float32 [b, S, N].
      steps: float32 [b], of each row, at least 1.
      symbols: int32 [b], of each row.
    """
    scores = tf.math.log(tf.transpose(alignment, (1, 0, 2)) + _LEAST_SHARE)
    count, length = alignment.shape[1], alignment.shape[2]
    place = tf.range(length)
    going = tf.transpose(tf.sequence_mask(tf.cast(steps, tf.int32), count))

    def behind(ways: tf.Tensor, number: int) -> tf.Tensor:
        edges = [[0, 0], [number, 0]]
        return tf.pad(ways[:, : length - number], edges, constant_values=_NEVER)

    def onward(ways: tf.Tensor, now: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        score, is_there = now
        from_all = tf.stack([ways, behind(ways, 1), behind(ways, 2)])
        after = tf.reduce_logsumexp(from_all, 0) + score
        return tf.where(is_there[:, None], after, ways)

    first = scores[0] + tf.where(place < 2, 0.0, _NEVER)
    ways = tf.foldl(onward, (scores[1:], going[1:]), first)
    to_end = symbols[:, None] - place
    is_last = (to_end == 1) | (to_end == 2)
    return -tf.reduce_logsumexp(tf.where(is_last, ways, _NEVER), -1)


def attention_to_truth(
    alignment: tf.Tensor, token: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Attention to the symbol that the middle frame of each step is of.

    Args:
      alignment: float32 [b, S, N].
      token: int32 [b, T], -1 where the symbol is not known; T is a multiple of S.

    Returns:
      Shares, and 1 where the symbol is known, float32 [b, S].
    """
    r = token.shape[1] // alignment.shape[1]
    true = token[:, r // 2 :: r]
    known = tf.cast(true >= 0, tf.float32)
    return tf.reduce_sum(alignment * tf.one_hot(true, alignment.shape[2]), -1), known


def _there(lengths: tf.Tensor, most: int, weight: tf.Tensor) -> tf.Tensor:
    """The rows' weights where something is, float32 [b, most]."""
    return tf.sequence_mask(lengths, most, tf.float32) * weight[:, None]
