"""Configuration of Tacotron: every hyperparameter and where it comes from.

S18 is Shen et al., arXiv 1712.05884; Z19 Zhang et al., arXiv 1907.04448; H18 Hsu et
al., arXiv 1810.07217; N the public weights of NVIDIA's Tacotron 2. The defaults are
Z19's, with phonemes.
"""

from collections.abc import Mapping
from typing import Annotated
from typing import Any
from typing import Literal

import pydantic

from tfmodels.config import Config
from tfmodels.layers.config import BatchNorm

Rate = pydantic.Field(default=0.5, ge=0, lt=1)


class TextEncoderConfig(Config):
    """Convolutions and one LSTM of two directions (US11580952B2, claim 5; S18)."""

    dim: int = pydantic.Field(default=512, ge=2, multiple_of=2)
    """Width of symbols, filters and encodings; half of it in each direction."""
    convolutions: pydantic.PositiveInt = 3
    kernel: pydantic.PositiveInt = 5
    dropout_rate: float = Rate
    """After each convolution (S18)."""
    zoneout_rate: float = pydantic.Field(default=0.1, ge=0, lt=1)
    """Of the LSTM (S18; N has none)."""


class AttentionConfig(Config):
    """Additive attention that sees where it has looked (S18; arXiv 1506.07503)."""

    kind: Literal["location"] = "location"
    dim: pydantic.PositiveInt = 128
    filters: pydantic.PositiveInt = 32
    kernel: pydantic.PositiveInt = 31
    location_inputs: Literal["cumulative", "both"] = "both"
    """The sum of all attention so far (S18), or beside it that of the last step (N)."""
    bias: bool = False
    """Add a bias to hidden nodes."""


class MixtureConfig(Config):
    """Attention that only goes on: a mixture of normal distributions over places, whose
    softplus form is "v2b" (Battenberg et al., arXiv 1910.10288)."""

    kind: Literal["mixture"] = "mixture"
    components: pydantic.PositiveInt = 5
    dim: pydantic.PositiveInt = 128
    """Of the hidden layer."""


def _kind_of_attention(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("kind", "location"))
    return str(getattr(value, "kind", ""))


AnyAttention = Annotated[
    Annotated[AttentionConfig, pydantic.Tag("location")]
    | Annotated[MixtureConfig, pydantic.Tag("mixture")],
    pydantic.Discriminator(_kind_of_attention),
]


class DecoderConfig(Config):
    """Two LSTMs over attention (US11580952B2, claim 6; S18)."""

    prenet_dim: pydantic.PositiveInt = 256
    prenet_rate: float = Rate
    """Dropout of the two layers below the LSTMs, in synthesis too (S18)."""
    hidden_dim: pydantic.PositiveInt = 1024
    regulariser: Literal["zoneout", "dropout"] = "zoneout"
    """Keep some old states (S18), or drop outputs (N), in training."""
    rate: float = pydantic.Field(default=0.1, ge=0, lt=1)
    """Share of states kept or dropped (S18; N)."""


class PostNetConfig(Config):
    """Convolutions that mend whole spectrograms (US11580952B2, claim 6; S18)."""

    convolutions: int = pydantic.Field(default=5, ge=2)
    filters: pydantic.PositiveInt = 512
    kernel: pydantic.PositiveInt = 5
    dropout_rate: float = Rate


class ResidualEncoderConfig(Config):
    """A variational encoder of the target (Z19, section 2.2; H18)."""

    dim: pydantic.PositiveInt = 16
    """Numbers of z (Z19)."""
    filters: pydantic.PositiveInt = 512
    """Of both convolutions (H18)."""
    strides: tuple[pydantic.PositiveInt, pydantic.PositiveInt] = (1, 1)
    """Frames that a convolution advances."""
    hidden_dim: pydantic.PositiveInt = 256
    """Of each direction of both LSTMs (H18)."""


class ClassifierConfig(Config):
    """An adversary that looks for the speaker in each encoding (Z19, section 2.3)."""

    hidden_dim: pydantic.PositiveInt = 256
    scale: float = pydantic.Field(default=1.0, ge=0)
    """What is passed on of its gradient, turned round; Z19 do not say."""
    clip: Literal["value", "norm", "none"] = "value"
    limit: float = pydantic.Field(default=0.5, gt=0)
    """Largest gradient of a token's own loss (Z19)."""


class TacotronConfig(Config):
    """Symbols in, frames of a mel spectrogram out, in any voice and language."""

    kind: Literal["tacotron"] = "tacotron"
    num_symbols: pydantic.PositiveInt = 90
    """Rows of the table of symbols: 0 is padding, 1 the end."""
    num_tones: pydantic.PositiveInt | None = 7
    """Rows of the table of tones, which are added to symbols; none when null."""
    num_speakers: pydantic.PositiveInt | None = 92
    """Z19: 84 + 3 + 5. With null nothing tells the decoder who speaks."""
    speaker_dim: pydantic.PositiveInt = 64
    """Z19."""
    num_languages: pydantic.PositiveInt | None = 3
    """Z19. With null nothing tells the decoder a language."""
    language_dim: pydantic.PositiveInt = 3
    """Z19."""
    table_std: float = pydantic.Field(default=0.3, gt=0)
    """Standard deviation of tables at first."""
    conditioning: Literal["decoder_input", "late_speaker", "memory"] = "decoder_input"
    """Speaker, language and residual stand beside the input of both LSTMs (Z19); so
    too, but the speaker is kept from the first one, which reads the text, so that the
    pace is not the speaker's; or all stand beside each encoding."""
    mel_bins: pydantic.PositiveInt = 128
    """Z19."""
    frames_per_step: pydantic.PositiveInt = 1
    """Frames that a step of the decoder makes, r (S18: 1)."""
    encoder: TextEncoderConfig = TextEncoderConfig()
    attention: AnyAttention = AttentionConfig()
    """Which symbols a step of the decoder looks at."""
    decoder: DecoderConfig = DecoderConfig()
    postnet: PostNetConfig = PostNetConfig()
    residual: ResidualEncoderConfig | None = ResidualEncoderConfig()
    """None when null."""
    classifier: ClassifierConfig | None = ClassifierConfig()
    """None when null."""
    batch_norm: BatchNorm = BatchNorm(momentum=0.99)
    """Of convolutions (N: momentum 0.9, epsilon 1e-5)."""
    frozen_norm: bool = False
    """Convolutions normalise by what is known already in training too, and learn no
    more of it: where only a new voice is learned."""
    num_biases: Literal[1, 2] = 1
    """Bias vectors of an LSTM; of two the second is redundant (N)."""

    @property
    def told_speaker_dim(self) -> int:
        """Width of what tells the decoder the speaker."""
        return self.speaker_dim if self.num_speakers else 0

    @property
    def condition_dim(self) -> int:
        """Width of what tells the decoder speaker, language and residual, in turn."""
        language = self.language_dim if self.num_languages else 0
        residual = self.residual.dim if self.residual else 0
        return self.told_speaker_dim + language + residual

    @property
    def memory_dim(self) -> int:
        """Width of what attention shows."""
        told = self.condition_dim if self.conditioning == "memory" else 0
        return self.encoder.dim + told

    @property
    def fed_dims(self) -> tuple[int, int]:
        """How many of the last numbers of what tells the decoder stand beside the input
        of each LSTM."""
        if self.conditioning == "memory":
            return 0, 0
        late = self.conditioning == "late_speaker"
        kept = self.told_speaker_dim if late else 0
        return self.condition_dim - kept, self.condition_dim
