"""Texts in several languages: ``Ich mag <en-us>cheese cake</en-us> sehr``."""

import re
from typing import NamedTuple

from tfmodels.errors import DataError

_SPAN = re.compile(r"<([A-Za-z][A-Za-z0-9-]*)>(.*?)</\1>", re.DOTALL)
_MARK = re.compile(r"</?[A-Za-z][A-Za-z0-9-]*>")


class Span(NamedTuple):
    """A part of a text in one language."""

    language: str | None
    """None outside of marks."""
    text: str


def language_spans(text: str) -> list[Span]:
    """Parts of a text, none of them empty, in their order.

    Raises:
      DataError: a mark has no other one, or stands within others.
    """
    spans: list[Span] = []
    end = 0
    for found in _SPAN.finditer(text):
        spans.append(Span(None, text[end : found.start()]))
        spans.append(Span(found[1], found[2]))
        end = found.end()
    spans.append(Span(None, text[end:]))
    for span in spans:
        mark = _MARK.search(span.text)
        if mark is not None:
            raise DataError(
                "languages are marked wrongly. Expected pairs such as"
                " <en-us>cheese cake</en-us>, none within another. Received"
                f" {mark[0]} alone in {text[:70]!r}."
            )
    return [span for span in spans if span.text.strip()]
