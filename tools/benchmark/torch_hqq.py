"""A peer of `clipping_peers`, by a Python that has HQQ: prints its noise as JSON."""

import json
import sys

import numpy as np
import torch
from hqq.core.quantize import Quantizer


def main(path: str, bits: list[int], group_size: int) -> None:
    """Quantizes the matrices of a .npz file; their squared errors by name and bits."""
    found: dict[str, dict[str, float]] = {}
    with np.load(path) as matrices:
        for name in matrices.files:
            weights = torch.from_numpy(matrices[name])
            found[name] = {}
            for number in bits:
                codes, meta = Quantizer.quantize(
                    weights,
                    number,
                    True,
                    group_size,
                    axis=1,
                    device="cpu",
                    bitpack=False,
                )
                made = (codes.double() - meta["zero"].double()) * meta["scale"].double()
                error = made.reshape(weights.shape) - weights.double()
                found[name][str(number)] = float((error**2).sum())
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1], [int(number) for number in sys.argv[3:]], int(sys.argv[2]))
