"""The section `export` of an experiment."""

from typing import Literal

import pydantic

from tfmodels.config import Config
from tfmodels.quantization.policy import ClippingRule


class ExportConfig(Config):
    """How an exported model is calibrated, and how close to Keras it must stay."""

    calibration_examples: int = pydantic.Field(default=200, ge=1)
    """Training examples from which ranges of quantized tensors are taken."""
    min_agreement: float = pydantic.Field(default=0.99, ge=0, le=1)
    """Least share of test examples to which quantized and Keras model answer alike."""
    max_accuracy_drop: float = pydantic.Field(default=0.01, ge=0, le=1)
    """Most accuracy (a fraction) that a quantized model may lose on the test split."""
    stages: int | None = pydantic.Field(default=None, ge=1)
    """Files of an export in a chain; when absent as many as the stages of a pipeline,
    or two for another strategy."""
    fuse_1x1: bool = False
    """Compute 1x1 convolutions of one input as one, in presets that write TFLite files
    of the graph of layers."""
    clipping: tuple[ClippingRule, ...] = ()
    """Rules for presets that clip and pack weights, asked before those of the preset;
    the first that fits a layer holds."""
    calibration_source: Literal["train", "model"] = "train"
    """What `calibration` of a rule runs: training examples, or, of a language model,
    texts that the model itself makes up, drawn token by token with the run's seed."""
    report_examples: int = pydantic.Field(default=200, ge=0)
    """Held-out examples on which the report of clipping compares answers; 0 for none.
    Whole batches are taken."""
    clipping_budget: int | None = pydantic.Field(default=None, ge=1)
    """Bytes for all packed weights: each layer then gets the bits, of 2, 3, 4 and 8,
    that take most error away; as the rules say when absent."""
