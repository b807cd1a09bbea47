"""Regular expressions in configurations."""

import re
from typing import Annotated

import pydantic


def _check_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(
            f"not a regular expression: {error}. Expected a pattern of names or paths"
            f" such as '^stem/'. Received {value!r}."
        ) from None
    return value


Pattern = Annotated[str, pydantic.AfterValidator(_check_pattern)]
"""A regular expression, of names or paths as its key says."""
