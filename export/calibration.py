"""Real inputs from which the ranges of quantized tensors are taken."""

import logging
from collections import Counter
from collections.abc import Iterable
from collections.abc import Iterator

from export.interfaces import Arrays
from export.interfaces import Program
from export.interfaces import Signatures
from tfmodels.errors import DataError
from trainers.interfaces import Batch

_LOG = logging.getLogger(__name__)
_FEW = 100


def representative_inputs(
    signatures: Signatures, program: Program, count: int
) -> list[tuple[str, Arrays]]:
    """Collects real inputs of the endpoints that go to the device.

    Args:
      signatures: what the task exports; supplies the inputs.
      program: runs these endpoints.
      count: training examples that are wanted (``export.calibration_examples``).

    Returns:
      Pairs of an endpoint and its named arrays; one of each example, or more where an
      example is many steps of the model.

    Raises:
      DataError: not one training example can be read.
    """
    inputs = list(signatures.calibration(program, count))
    if not inputs:
        raise DataError(
            "there is nothing to calibrate the quantization with. Expected readable"
            " examples in the training split of data. Received none."
        )
    if len(inputs) < _FEW:
        _LOG.warning(
            "Quantization is calibrated with %d examples; fewer than %d give unreliable"
            " ranges. Raise export.calibration_examples.",
            len(inputs),
            _FEW,
        )
    return inputs


def balanced(
    examples: Iterable[Batch], num_classes: int, count: int
) -> Iterator[Batch]:
    """Takes equally many examples of every class, or as near to it as they come.

    Args:
      examples: batches of one example; ``label`` is int [1] and ``weight`` float [1].
      num_classes: number of classes.
      count: how many to take at most; examples of weight 0 are left out.
    """
    share = -(-count // num_classes)
    taken: Counter[int] = Counter()
    for batch in examples:
        label = int(batch["label"][0])
        if float(batch["weight"][0]) > 0 and taken[label] < share:
            taken[label] += 1
            yield batch
        if taken.total() == count:
            return
