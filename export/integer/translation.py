"""GNMT in integers: what an encoder and a decoder step compute, in NumPy alone."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from export.integer.arithmetic import Table
from export.integer.arithmetic import to_int16
from export.integer.arithmetic import to_real
from export.integer.bundle import Bundle
from export.integer.lstm import IntegerLSTM
from export.integer.lstm import added
from export.integer.lstm import encoded
from export.integer.matrix import IntegerMatrix

SOURCE, TARGET, SOFTMAX = "source_embedding", "target_embedding", "softmax"
"""Matrices by name: the tables of tokens, and what makes scores."""
FORWARD, BACKWARD = "encoder/1_forward", "encoder/1_backward"
"""The lowest encoder layer; those above, and the decoder's, are named by `layer`."""


def layer(stack: str, number: int) -> str:
    """Name of the matrix of a layer of ``encoder`` or ``decoder``, counted from 1."""
    return f"{stack}/{number}"


@dataclass(frozen=True, eq=False)
class FloatAttention:
    """``softmax_t(v . tanh(W q + k_t))``; the paper leaves it in floating point."""

    query: np.ndarray
    """float32 [H, A], W."""
    key: np.ndarray
    """float32 [H, A], makes k_t of encodings."""
    bias: np.ndarray
    """float32 [A], part of k_t."""
    score: np.ndarray
    """float32 [A], v, its length settled."""

    def keys(self, encodings: np.ndarray) -> np.ndarray:
        """k_t, float32 [n, S, A], of float32 [n, S, H]."""
        made: np.ndarray = encodings @ self.key + self.bias
        return made

    def attend(
        self,
        query: np.ndarray,
        encodings: np.ndarray,
        keys: np.ndarray,
        mask: np.ndarray,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Means of encodings, float32 [n, H], and each one's share, float32 [n, S].

        Args:
          query: float32 [n, H].
          encodings: float32 [n or 1, S, H].
          keys: float32 [n or 1, S, A].
          mask: float32 [n or 1, S], 0 on padding.
        """
        hidden = np.tanh((query @ self.query)[:, None] + keys)
        scores = hidden @ self.score
        scores = np.where(mask > 0, scores, -np.inf)
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        return (shares[:, None] @ encodings)[:, 0], shares


@dataclass(frozen=True, eq=False)
class IntegerGNMT:
    """A translation model of bytes (US 11113480 B2; Wu et al., arXiv 1609.08144, 6).

    What passes between methods are real numbers where attention is concerned, and
    int16 states, `UNIT` for delta, elsewhere.
    """

    source_embedding: IntegerMatrix
    target_embedding: IntegerMatrix
    softmax: IntegerMatrix
    """All three with a row for each token."""
    softmax_bias: np.ndarray
    """float32 [V]."""
    forward: IntegerLSTM
    backward: IntegerLSTM
    encoder: list[IntegerLSTM]
    """The layers above these two."""
    attention: FloatAttention
    decoder: list[IntegerLSTM]
    delta: float
    """Bound of all states."""
    logits_clip: float | None
    """Bound of scores."""

    @classmethod
    def of(cls, bundle: Bundle) -> Self:
        """The model that a bundle holds."""
        matrices, arrays, facts = bundle.matrices, bundle.arrays, bundle.facts
        delta = facts["delta"]
        tables = Table(arrays["sigmoid"]), Table(arrays["tanh"])

        def lstm(name: str) -> IntegerLSTM:
            return IntegerLSTM(matrices[name], delta, *tables)

        source = matrices[SOURCE]
        target = matrices.get(TARGET, source)
        softmax = matrices.get(SOFTMAX, target)
        parts = ("query", "key", "bias", "score")
        return cls(
            source,
            target,
            softmax,
            arrays["softmax_bias"],
            lstm(FORWARD),
            lstm(BACKWARD),
            [lstm(layer("encoder", n + 2)) for n in range(facts["encoder_layers"] - 1)],
            FloatAttention(*(arrays[f"attention/{part}"] for part in parts)),
            [lstm(layer("decoder", n + 1)) for n in range(facts["decoder_layers"])],
            delta,
            facts["logits_clip"],
        )

    @property
    def width(self) -> int:
        """H, cells of a layer."""
        return self.forward.width

    def encode(self, source: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Encodings, int16 [n, S, H], and last states, int16 [n, L, 2, H].

        Args:
          source: int [n, S], padded with 0 at its end.
        """
        x = self.source_embedding.rows(source.T, self.delta)
        lengths = np.count_nonzero(source, axis=1)
        x, finals = encoded(self.forward, self.backward, self.encoder, x, lengths)
        return x.transpose(1, 0, 2), finals

    def lowest_step(
        self, tokens: np.ndarray, context: np.ndarray | None, state: np.ndarray
    ) -> np.ndarray:
        """The lowest decoder layer's new state, int16 [n, 2, H].

        Args:
          tokens: int [n], the last ones.
          context: int16 [n, H], if the layer is fed it.
          state: int16 [n, L, 2, H], before.
        """
        x = self.target_embedding.rows(tokens, self.delta)
        if context is not None:
            x = np.concatenate([x, context], axis=1)
        return _after(self.decoder[0], x, state[:, 0])

    def upper_step(
        self, lowest: np.ndarray, context: np.ndarray, state: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Scores, float32 [n, V], and all layers' new state, int16 [n, L, 2, H].

        Args:
          lowest: int16 [n, 2, H], of `lowest_step`.
          context: int16 [n, H], what all layers above see.
          state: int16 [n, L, 2, H], before.
        """
        after, x = [lowest], lowest[:, 0]
        for place, lstm in enumerate(self.decoder[1:], 1):
            seen = np.concatenate([x, context], axis=1)
            new = _after(lstm, seen, state[:, place])
            after.append(new)
            x = added(new[:, 0], x) if place > 1 else new[:, 0]
        logits = self.softmax.reals(self.softmax.accumulate(x), self.delta)
        logits += self.softmax_bias
        if self.logits_clip is not None:
            logits = np.clip(logits, -self.logits_clip, self.logits_clip)
        return logits, np.stack(after, axis=1)

    def to_int16(self, reals: np.ndarray) -> np.ndarray:
        """States of real numbers; exact for those of `to_real`."""
        return to_int16(reals, self.delta)

    def to_real(self, states: np.ndarray) -> np.ndarray:
        """float32, what states stand for."""
        return to_real(states, self.delta)


def _after(lstm: IntegerLSTM, x: np.ndarray, state: np.ndarray) -> np.ndarray:
    """int16 [n, 2, H], outputs and cells after an input."""
    sums = lstm.weights.accumulate(x)
    return np.stack(lstm.step(sums, state[:, 0], state[:, 1]), axis=1)
