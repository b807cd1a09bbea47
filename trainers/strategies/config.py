"""Configuration of strategies that have no folder of their own."""

from typing import Literal

import pydantic

from tfmodels.config import Config


class DataParallelConfig(Config):
    """Every replica holds the whole model and computes a share of each batch."""

    kind: Literal["data_parallel"] = "data_parallel"
    devices: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """auto: all GPUs of this machine if there are any, else its CPU."""
    replicas: int | None = pydantic.Field(default=None, ge=1)
    """Replicas on this machine; all of its devices when absent. More than one on `cpu`
    splits the CPU into that many virtual devices."""
    multi_worker: bool = False
    """Run with the processes that the variable TF_CONFIG names."""
    tpu: str = ""
    """Name or address of the TPU, for ``devices: tpu``."""
    synchronize_batch_norm: bool | None = None
    """Batch statistics over all replicas. When absent: if there are several replicas
    and each has fewer than 32 examples."""
