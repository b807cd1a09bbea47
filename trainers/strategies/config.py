"""Configuration of strategies that have no folder of their own."""

from typing import Literal
from typing import Self

import pydantic

from tfmodels.config import Config


class DataParallelConfig(Config):
    """Every replica holds the whole model and computes a share of each batch."""

    kind: Literal["data_parallel"] = "data_parallel"
    devices: Literal["auto", "cpu", "gpu", "tpu"] = "auto"
    """auto: all GPUs of this machine if there are any, else its CPU."""
    replicas: int | None = pydantic.Field(default=None, ge=1)
    """Replicas on this machine; all of its devices when absent. More than one on `cpu`
    splits the CPU into that many virtual devices. Not for `multi_worker`."""
    multi_worker: bool = False
    """Run with the processes that the variable TF_CONFIG names."""
    tpu: str = ""
    """Name or address of the TPU, for ``devices: tpu``."""
    synchronize_batch_norm: bool | None = None
    """Batch statistics over all replicas. When absent: if there are several replicas
    and each has fewer than 32 examples."""

    @pydantic.model_validator(mode="after")
    def _no_choice_of_devices_in_a_cluster(self) -> Self:
        if self.multi_worker and self.replicas is not None:
            raise ValueError(
                "replicas cannot be chosen with multi_worker: every process uses all of"
                " its devices. Expected only one of the two keys. Received replicas:"
                f" {self.replicas}."
            )
        return self
