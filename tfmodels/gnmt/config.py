"""Configuration of GNMT: every hyperparameter and where it comes from.

W is Wu et al. 2016, arXiv 1609.08144; N the public re-implementations, tensorflow/nmt
and NVIDIA's GNMT v2; L the translation models of Lingvo.
"""

from typing import TYPE_CHECKING
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.config import tagged_union

Wiring = Literal["paper", "gnmt_v2", "bottom_query"]


class ClipConfig(Config):
    """Range of what layers add up, so that it fits small integers (W section 6, eq 10).

    Cells, along time, and sums of residual connections, along depth, stay between
    -delta and delta. In training delta goes linearly from `start` to `end`; a model
    that answers uses `end`.
    """

    start: float = pydantic.Field(default=8.0, gt=0)
    """Delta at the beginning of training (W section 6)."""
    end: float = pydantic.Field(default=1.0, gt=0)
    """Delta at the end of training, and of the trained model (W section 6)."""
    start_step: pydantic.NonNegativeInt = 0
    """Step of the run from which delta changes (L)."""
    end_step: pydantic.PositiveInt = 15_000
    """Step of the run at which delta has its end value (L)."""

    @pydantic.model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.start_step >= self.end_step:
            raise ValueError(
                "delta cannot change backwards. Expected end_step after start_step:"
                f" {self.start_step}. Received end_step: {self.end_step}."
            )
        return self


class UniformStart(Config):
    """All weights between -range and range (W section 8: 0.04; N: 0.1)."""

    kind: Literal["uniform"] = "uniform"
    range: float = pydantic.Field(default=0.04, gt=0)


class ScaledStart(Config):
    """Weights by the widths of what they connect, for models of small width.

    Kernels of inputs are uniform as Glorot's, recurrent ones orthogonal for each gate.
    Without biases and tanh at a cell's output, signals shrink from layer to layer: with
    a gain of 1 and small embeddings, attention begins near 0 and does not learn to look
    (measured on Multi30k: 9.4 BLEU in place of 15.1, with beta2 and warm-up changed
    too).
    """

    kind: Literal["scaled"] = "scaled"
    embedding_std: float = pydantic.Field(default=0.5, gt=0)
    """Standard deviation of embeddings."""
    input_gain: float = pydantic.Field(default=2.0, gt=0)
    """Factor of the kernels of inputs."""


if TYPE_CHECKING:
    AnyStart = UniformStart | ScaledStart
else:
    AnyStart = tagged_union([UniformStart, ScaledStart])


class GNMTConfig(Config):
    """Two stacks of LSTMs, and attention that the lowest decoder layer drives.

    The defaults are W: 247,989,248 weights.
    """

    kind: Literal["gnmt"] = "gnmt"
    vocabulary_size: pydantic.PositiveInt = 32_000
    """Tokens of source and target, which share their wordpieces (W section 4.1)."""
    embedding_dim: pydantic.PositiveInt = 1024
    """Numbers that stand for a token (N: as many as a layer's cells)."""
    hidden_dim: pydantic.PositiveInt = 1024
    """Cells of each layer (W section 8)."""
    attention_dim: pydantic.PositiveInt = 1024
    """Hidden nodes of the attention network (W section 3, eq 4)."""
    encoder_layers: int = pydantic.Field(default=8, ge=2)
    """The lowest reads both ways, those above forward (W section 3.2, figure 1)."""
    decoder_layers: int = pydantic.Field(default=8, ge=2)
    """Residual connections begin at the third layer, in both stacks (W figure 1)."""
    cell: Literal["gnmt", "standard"] = "gnmt"
    """W eq 11, whose output is ``o c``, or the usual ``o tanh(c)``."""
    num_biases: int | None = pydantic.Field(default=None, ge=0, le=2)
    """Bias vectors of each LSTM: 2 is the cuDNN layout, 0 is W eq 11. When absent, 0
    for the cell `gnmt` and 1 for `standard`. The first begins at 1 for forget gates."""
    wiring: Wiring = "paper"
    """What attention is asked with. `paper`: the bottom layer's output of the step
    before; all layers get that context (W eq 4, section 3.3). `gnmt_v2`: so for the
    bottom layer, while those above get the context of its new output (N, L).
    `bottom_query`: the bottom layer gets none, those above get the context of its new
    output (NVIDIA)."""
    init_state: Literal["zeros", "encoder_final"] = "zeros"
    """The decoder's first state: zeros (W), or the encoder's last one layer by layer,
    at the bottom that of its backward half (tensorflow/nmt)."""
    first_context: Literal["attention", "zeros"] = "attention"
    """Context before the first token: that of a query of zeros (L), or zeros (N)."""
    normed_attention: bool = False
    """Scale the attention's last vector to a trained length, and add a bias to its
    hidden nodes (N)."""
    share_embedding: bool = True
    """One embedding for source and target (W section 4.1: they share wordpieces)."""
    tie_softmax: bool = False
    """Score tokens with the matrix that embeds target tokens; needs `embedding_dim`
    to equal `hidden_dim`."""
    softmax_bias: bool = False
    """Add a bias to each token's logit (N)."""
    dropout_rate: float = pydantic.Field(default=0.2, ge=0, lt=1)
    """Share dropped of embeddings and of each layer's output before it is added to the
    residual (W section 8: 0.2 for French, 0.3 for German)."""
    clip: ClipConfig | None = ClipConfig()
    """Range of accumulators; unbounded when null."""
    logits_clip: float | None = pydantic.Field(default=25.0, gt=0)
    """Largest magnitude of a logit, gamma (W section 6, eq 13); unbounded when null."""
    initial: AnyStart = UniformStart()
    """Distribution of the first weights."""

    @property
    def biases(self) -> int:
        """Bias vectors of each LSTM."""
        if self.num_biases is None:
            return int(self.cell == "standard")
        return self.num_biases

    @pydantic.model_validator(mode="after")
    def _stacks_fit(self) -> Self:
        same_depth = self.encoder_layers == self.decoder_layers
        if self.init_state == "encoder_final" and not same_depth:
            raise ValueError(
                "each decoder layer starts where an encoder layer ended. Expected"
                f" decoder_layers to equal encoder_layers: {self.encoder_layers}."
                f" Received decoder_layers: {self.decoder_layers}, init_state:"
                " encoder_final."
            )
        if self.tie_softmax and self.embedding_dim != self.hidden_dim:
            raise ValueError(
                "tied scores need embeddings as wide as a layer. Expected"
                f" embedding_dim to equal hidden_dim: {self.hidden_dim}. Received"
                f" embedding_dim: {self.embedding_dim}, tie_softmax: true."
            )
        return self
