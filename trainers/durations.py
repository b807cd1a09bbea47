"""Lengths of training: a number of steps, or a number of epochs turned into steps."""

import re
from typing import Annotated

import pydantic

_EPOCHS = re.compile(r"(\d+(?:\.\d+)?) epochs?")


def _check(value: int | str) -> int | str:
    if isinstance(value, str) and not _EPOCHS.fullmatch(value):
        raise ValueError(
            f"expected a number of steps such as 500, or text such as '2.5 epochs';"
            f" received {value!r}"
        )
    if isinstance(value, int) and value < 0:
        raise ValueError(f"expected a number of steps of at least 0; received {value}")
    return value


Duration = Annotated[int | str, pydantic.AfterValidator(_check)]
"""Steps as an integer, or epochs as text: ``500``, ``"1 epoch"``, ``"2.5 epochs"``."""


def to_steps(duration: int | str, steps_per_epoch: int) -> int:
    """Converts a `Duration` to a whole number of optimizer steps."""
    if isinstance(duration, int):
        return duration
    match = _EPOCHS.fullmatch(duration)
    if match is None:
        raise ValueError(f"not a duration: {duration!r}")
    return round(float(match.group(1)) * steps_per_epoch)


def _check_interval(value: int | str) -> int | str:
    if to_steps(value, steps_per_epoch=10**9) == 0:
        raise ValueError(
            "an interval cannot be empty. Expected at least one step, or null for"
            f" never. Received {value!r}."
        )
    return value


Interval = Annotated[Duration, pydantic.AfterValidator(_check_interval)]
"""A `Duration` of at least one step, after which something happens again."""
