"""The Transformer that the pipeline benchmarks train, and programs that train it."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any

from tools.benchmark.rivals import Rival


@dataclass(frozen=True)
class Sizes:
    """Of the Transformer of ``gpipe/tiny`` and its batches; float32, Adam."""

    num_layers: int = 8
    model_dim: int = 128
    num_heads: int = 2
    feed_forward_dim: int = 512
    symbols: int = 16
    length: int = 31
    """Symbols to sort; a sequence is twice that and a separator."""
    batch_size: int = 64
    microbatches: int = 8

    @property
    def plain(self) -> dict[str, int]:
        """JSON-like data."""
        tokens = {
            "vocabulary_size": self.symbols + 2,
            "num_tokens": 2 * self.length + 1,
        }
        return asdict(self) | tokens

    def overrides(self, strategy: Mapping[str, Any]) -> list[str]:
        """Changes to ``gpipe/tiny``."""
        changes = {
            **{
                f"model.{name}": getattr(self, name)
                for name in ("num_layers", "model_dim", "num_heads", "feed_forward_dim")
            },
            "model.vocabulary_size": self.symbols + 2,
            "model.max_length": 2 * self.length + 1,
            "data.symbols": self.symbols,
            "data.length": self.length,
            "data.batch_size": self.batch_size,
            "optimizer.learning_rate": "{kind: constant, initial: 0.001}",
            "optimizer.clip_global_norm": "null",
            **{f"strategy.{name}": value for name, value in strategy.items()},
        }
        return [f"{key}={value}" for key, value in changes.items()]


SIZES = Sizes()
"""Forward tasks of tens of milliseconds on a core."""


def pipeline_rival(
    sizes: Sizes,
    cores: Sequence[int],
    environment: Mapping[str, str] | None = None,
    **strategy: Any,
) -> Rival:
    """A process that trains with the pipeline strategy; see `pipeline_worker`."""
    strategy = {"microbatches": sizes.microbatches, **strategy}
    arguments = ["-m", "tools.benchmark.pipeline_worker", *sizes.overrides(strategy)]
    return Rival(arguments, cores, environment)
