"""Configuration of LAS: every hyperparameter and where it comes from.

P is the patent family of US12254865B2; LI Li et al. 2018 ("Multi-dialect speech
recognition with a single sequence-to-sequence model"); TO Toshniwal et al. 2018; CI
Chiu et al. 2018 (arXiv 1712.01769); CH Chan et al. 2016 (arXiv 1508.01211); TA Tan et
al. 2015, cluster adaptive training; GR Grace et al. 2018; K Kannan et al. 2019 (arXiv
1909.05330); L the recognisers of Lingvo.
"""

from typing import TYPE_CHECKING
from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config
from tfmodels.config import tagged_union

Place = Literal["encoder", "decoder", "both", "last_encoder"]


class EncoderConfig(Config):
    """Layers of LSTM over stacked frames, on convolutions or not.

    The defaults are LI's. Pyramids (CH) are `pair_after` all layers but the last; L's
    encoder for LibriSpeech has `convolutions` and a `projection_dim`.
    """

    num_layers: pydantic.PositiveInt = 5
    hidden_dim: pydantic.PositiveInt = 1024
    """Cells of a layer; of each direction if there are two."""
    bidirectional: bool = False
    """Read both ways (CH, TO, L). A recogniser that answers while one speaks reads
    forward only (LI, CI)."""
    pair_after: tuple[pydantic.PositiveInt, ...] = ()
    """Numbers of layers after which each two frames become one, side by side (CH); a
    last frame without a partner is dropped unless it is the only one."""
    convolutions: tuple[pydantic.PositiveInt, ...] = ()
    """Filters of 3x3 convolutions below the layers; each halves time and frequency,
    and is normalised and rectified (L: 32, 32)."""
    projection_dim: pydantic.PositiveInt | None = None
    """Width of linear, normalised and rectified units between layers (L: 2048)."""
    batch_norm_momentum: float = pydantic.Field(default=0.99, ge=0, lt=1)
    """Share of moving averages kept at each step (L: 0.999)."""


class AttentionConfig(Config):
    """How the decoder's first layer looks at the encodings (CI; L).

    The defaults are CI's four heads, of L's width.
    """

    kind: Literal["additive", "location", "dot"] = "additive"
    """One hidden layer; the same, that also sees where it looked a step ago (Chorowski
    et al., arXiv 1506.07503); scaled products of queries and keys."""
    heads: pydantic.PositiveInt = 4
    """Heads, each with weights and a distribution over time of its own."""
    width: pydantic.PositiveInt = 128
    """Hidden nodes, or numbers of a key, of each head (L)."""
    bias: bool = True
    """Add a bias to hidden nodes; L does not."""
    value_projection: bool = True
    """Each head shows the decoder a projection of the encodings; otherwise, the part
    of the encodings that it sees (L)."""
    context_dim: pydantic.PositiveInt | None = None
    """Width of what all heads show together; that of an encoding when absent."""
    head_input: Literal["all", "channel_split"] = "all"
    """What a head sees: whole encodings, or a block of their channels (US11107463B2,
    claim 1, read to the letter)."""
    location_filters: pydantic.PositiveInt = 10
    """Filters over each head's attention of the step before (Chorowski et al.)."""
    location_reach: pydantic.PositiveInt = 100
    """Frames that they see before and after one (Chorowski et al.: 201 in all)."""

    @pydantic.model_validator(mode="after")
    def _heads_make_one_context(self) -> Self:
        whole = self.head_input == "all" and self.heads > 1
        if not self.value_projection and whole:
            raise ValueError(
                "without projections, heads that see whole encodings would all show the"
                " same. Expected value_projection: true, head_input: channel_split or"
                f" heads: 1. Received heads: {self.heads}."
            )
        if not self.value_projection and self.context_dim:
            raise ValueError(
                "only a projection has a width of its own. Expected value_projection:"
                f" true with context_dim. Received context_dim: {self.context_dim}."
            )
        return self


class DecoderConfig(Config):
    """Layers of LSTM; the first drives attention and is fed its last answer (L)."""

    num_layers: pydantic.PositiveInt = 2
    """Layers (LI, CI, L: 2)."""
    hidden_dim: pydantic.PositiveInt = 1024
    """Cells of a layer (LI)."""
    embedding_dim: pydantic.PositiveInt = 96
    """Numbers that stand for a unit (L)."""
    embedding_std: float = pydantic.Field(default=0.1, gt=0)
    """Standard deviation of embeddings at first."""


class Conditioning(Config):
    """How layers are told the variety: by the identifier d made of a vector over all
    K varieties, which is one-hot or any mixture."""

    kind: str
    identifier: Literal["onehot", "embed", "embed_softmax"] = "onehot"
    """d is the vector itself (P; LI), its mean of learned embeddings (TO), or softmax
    of that."""
    identifier_dim: pydantic.PositiveInt | None = None
    """Numbers in an embedding (TO: 5); K when absent. There is one cluster for each."""
    at: Place | tuple[str, ...] = "both"
    """Which layers are told: all of one side, of both, the encoder's last, or those
    listed, such as `encoder2` and `decoder1`."""


class MeanConditioning(Conditioning):
    """``M d`` is added to all gates: the same as feeding d to the layer, and as mixing
    the clusters' means (P claims; LI, the best of theirs at `both`)."""

    kind: Literal["mean"] = "mean"


class WeightConditioning(Conditioning):
    """Weights are ``W_0 + sum_k d_k W_k``, recurrent ones and biases too (TA)."""

    kind: Literal["weight"] = "weight"
    at: Place | tuple[str, ...] = "last_encoder"
    base: bool = True
    """Have W_0."""
    cluster_std: float = pydantic.Field(default=0.01, gt=0)
    """Standard deviation of each W_k at first, where there is a W_0."""


class LayerConditioning(Conditioning):
    """Outputs are ``sum_k d_k LSTM_k(x)`` of layers side by side (TA)."""

    kind: Literal["layer"] = "layer"
    at: Place | tuple[str, ...] = "last_encoder"


class RankOneConditioning(Conditioning):
    """Weights are ``W + G diag(D d) H^T``, recurrent ones too; H begins at 0 (GR)."""

    kind: Literal["rank_one"] = "rank_one"
    rank: pydantic.PositiveInt = 16
    """Bases, each of rank one."""


class AdapterConditioning(Conditioning):
    """``x + sum_k d_k Up_k relu(Down_k LN x)`` after a layer; Up begins at 0 (K)."""

    kind: Literal["adapter"] = "adapter"
    bottleneck: pydantic.PositiveInt = 64
    """Numbers between the two (K: 64 to 256)."""


if TYPE_CHECKING:
    AnyConditioning = (
        MeanConditioning
        | WeightConditioning
        | LayerConditioning
        | RankOneConditioning
        | AdapterConditioning
    )
else:
    AnyConditioning = tagged_union(
        [
            MeanConditioning,
            WeightConditioning,
            LayerConditioning,
            RankOneConditioning,
            AdapterConditioning,
        ]
    )


class ScheduledSampling(Config):
    """Training on units of its own (Bengio et al., arXiv 1506.03099; C)."""

    share: float = pydantic.Field(default=0.4, gt=0, le=1)
    """Of the units that the decoder is fed, those that it has drawn itself."""
    begin: pydantic.NonNegativeInt = 0
    """Step of the run from which the share rises from 0, always by as much."""
    steps: pydantic.PositiveInt
    """How many steps that takes."""


class LASConfig(Config):
    """An encoder of speech, and a decoder that attends to it and spells.

    The defaults are LI's seven dialects of English with graphemes; CI's heads.
    """

    kind: Literal["las"] = "las"
    feature_dim: pydantic.PositiveInt = 80
    """Numbers that describe a frame: log energies of mel bands."""
    left: pydantic.NonNegativeInt = 3
    """Frames before one that are put beside it (LI, CI; 7 in TO)."""
    stride: pydantic.PositiveInt = 3
    """Frames of which one is kept (LI, CI, TO)."""
    encoder: EncoderConfig = EncoderConfig()
    attention: AttentionConfig = AttentionConfig()
    decoder: DecoderConfig = DecoderConfig()
    vocabulary_size: pydantic.PositiveInt = 81
    """Units: 0 is padding, 1 the start, 2 the end."""
    num_varieties: pydantic.PositiveInt = 7
    """Dialects or languages, K."""
    conditioning: AnyConditioning | None = MeanConditioning()
    """How layers are told the variety; not at all when null."""
    step_head: bool = True
    """Score varieties at each step beside units (US12254865B2, claim 1)."""
    encoder_head: bool = False
    """Score varieties by the mean of all encodings."""
    dropout_rate: float = pydantic.Field(default=0.0, ge=0, lt=1)
    """Share dropped, in training, of embeddings and of layers' outputs, except what
    attention is asked with."""
    scheduled_sampling: ScheduledSampling | None = None
    """In training, feed the decoder some units of its own in place of right ones."""

    @property
    def identifier_dim(self) -> int:
        """Width of the identifier d; 0 where no layer is told it."""
        if self.conditioning is None:
            return 0
        embedded = self.conditioning.identifier != "onehot"
        width = self.conditioning.identifier_dim if embedded else None
        return width or self.num_varieties

    def told(self, name: str) -> AnyConditioning | None:
        """How a layer, such as ``encoder1``, is told the variety, or None."""
        if self.conditioning is None:
            return None
        at = self.conditioning.at
        if at == "last_encoder":
            at = (f"encoder{self.encoder.num_layers}",)
        if isinstance(at, str):
            return self.conditioning if name.startswith(at) or at == "both" else None
        return self.conditioning if name in at else None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of all recurrent layers, from the lowest."""
        sides = {"encoder": self.encoder.num_layers, "decoder": self.decoder.num_layers}
        return tuple(
            f"{side}{number + 1}" for side, n in sides.items() for number in range(n)
        )

    @pydantic.model_validator(mode="after")
    def _parts_fit(self) -> Self:
        encoder, attention = self.encoder, self.attention
        if encoder.convolutions and (self.left, self.stride) != (0, 1):
            raise ValueError(
                "convolutions see frames as they are. Expected left: 0 and stride: 1"
                f" with encoder.convolutions. Received left: {self.left}, stride:"
                f" {self.stride}."
            )
        if any(number > encoder.num_layers for number in encoder.pair_after):
            raise ValueError(
                "frames are paired after layers that there are. Expected"
                f" encoder.pair_after up to {encoder.num_layers}. Received"
                f" {list(encoder.pair_after)}."
            )
        width = self.encoding_dim
        split = attention.head_input == "channel_split"
        if (split and width % attention.heads) or self.context_dim % attention.heads:
            raise ValueError(
                "heads share channels equally. Expected an encoding's width,"
                f" {width}, and the context's, {self.context_dim}, to be multiples of"
                f" attention.heads. Received heads: {attention.heads}."
            )
        at = self.conditioning.at if self.conditioning else ()
        unknown = set(at) - set(self.layers) if isinstance(at, tuple) else set()
        if unknown:
            raise ValueError(
                f"conditioning.at names layers that there are not. Expected some of"
                f" {', '.join(self.layers)}. Received {', '.join(sorted(unknown))}."
            )
        return self

    @property
    def encoding_dim(self) -> int:
        """Width of an encoding, S."""
        encoder = self.encoder
        width = encoder.hidden_dim * (2 if encoder.bidirectional else 1)
        return width * (2 if encoder.num_layers in encoder.pair_after else 1)

    @property
    def context_dim(self) -> int:
        """Width of what attention answers, C."""
        return self.attention.context_dim or self.encoding_dim
