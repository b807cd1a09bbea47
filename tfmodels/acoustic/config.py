"""Configuration of acoustic models: every hyperparameter and where it comes from."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config


class AcousticConfig(Config):
    """What every acoustic model has."""

    kind: str
    feature_dim: pydantic.PositiveInt = 40
    """Numbers that describe a frame: log energies of mel bands."""
    num_pdfs: pydantic.PositiveInt
    """Tied context-dependent states that are scored."""
    cross_entropy_head: bool = False
    """A second output, taught by cross entropy while the first is taught by sequences
    (chain models; Povey et al., Interspeech 2016, section 2.7)."""

    @property
    def frame_subsampling(self) -> int:
        """Input frames for each scored one; T input frames give the quotient, rounded
        up."""
        return 1

    @property
    def context(self) -> tuple[int, int]:
        """Frames before and after the scored one that the model must see."""
        return 0, 0


class AcousticDNNConfig(AcousticConfig):
    """Dense layers on a frame and its neighbours.

    The defaults are the speech model of Dean et al., NIPS 2012, section 5: 41,777,152
    weights. Kaldi's nnet1 recipes have six sigmoid layers of 2048.
    """

    kind: Literal["acoustic_dnn"] = "acoustic_dnn"
    num_pdfs: pydantic.PositiveInt = 8192
    left_context: pydantic.NonNegativeInt = 5
    """Frames before the one that is scored."""
    right_context: pydantic.NonNegativeInt = 5
    """Frames after it."""
    hidden_dims: tuple[pydantic.PositiveInt, ...] = (2560,) * 4
    activation: Literal["relu", "sigmoid"] = "sigmoid"

    @property
    def context(self) -> tuple[int, int]:
        """See `AcousticConfig.context`."""
        return self.left_context, self.right_context


class AcousticLSTMConfig(AcousticConfig):
    """LSTM layers, whose output may be projected, over single frames.

    The defaults are those of Sak et al., Interspeech 2014 (arXiv 1402.1128).
    """

    kind: Literal["acoustic_lstm"] = "acoustic_lstm"
    num_pdfs: pydantic.PositiveInt = 14_247
    num_layers: pydantic.PositiveInt = 2
    num_cells: pydantic.PositiveInt = 800
    """Memory cells of each layer."""
    projection_dim: pydantic.PositiveInt | None = 512
    """Width of a layer's output, which is also what it feeds back; `num_cells`, without
    a projection, when absent."""
    peepholes: bool = True
    """Let gates see the cells, through a weight for each."""
    output_delay: pydantic.NonNegativeInt = 5
    """Frames after the scored one that have been seen when it is scored."""

    @property
    def context(self) -> tuple[int, int]:
        """See `AcousticConfig.context`; what came before, the layers remember."""
        return 0, self.output_delay


class AcousticTDNNConfig(AcousticConfig):
    """Time-delay network: dense layers on some earlier outputs of the layer below.

    The defaults are Kaldi's chain model 1a for mini LibriSpeech, which scores every
    third frame: without its speaker vector and its fixed transform of the input, which
    the first layer can learn. Layers of ReLU end in a normalization of each frame by
    itself, there and here.
    """

    kind: Literal["acoustic_tdnn"] = "acoustic_tdnn"
    num_pdfs: pydantic.PositiveInt = 2309
    hidden_dim: pydantic.PositiveInt = 512
    offsets: tuple[tuple[int, ...], ...] = (
        (-2, -1, 0, 1, 2),
        (-1, 0, 1),
        (-1, 0, 1),
        (-3, 0, 3),
        (-3, 0, 3),
        (-6, -3, 0),
    )
    """What each layer sees of the one below: distances in input frames."""
    subsampling: pydantic.PositiveInt = 3
    """Input frames for each scored one."""

    @property
    def frame_subsampling(self) -> int:
        """See `AcousticConfig.frame_subsampling`."""
        return self.subsampling

    @property
    def context(self) -> tuple[int, int]:
        """See `AcousticConfig.context`."""
        before = sum(min(layer) for layer in self.offsets)
        return -before, sum(max(layer) for layer in self.offsets)

    @pydantic.model_validator(mode="after")
    def _frames_see_themselves(self) -> Self:
        for layer in self.offsets:
            if not layer or min(layer) > 0 or max(layer) < 0:
                raise ValueError(
                    "every layer looks around the frame it computes. Expected each of"
                    " offsets to reach from 0 or before to 0 or after. Received"
                    f" {list(layer)}."
                )
        return self
