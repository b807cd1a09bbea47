"""Texts of a run for dashboards, in Markdown."""

from collections.abc import Sequence

_MARKS = frozenset("\\`*_[]<>|#&~")


def side_by_side(names: Sequence[str], columns: Sequence[Sequence[str]]) -> str:
    """A table of texts.

    Args:
      names: of the columns.
      columns: N texts each; they may have any characters.
    """
    rows = [names, ["---"] * len(names), *zip(*columns, strict=True)]
    return "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)


def _cell(text: str) -> str:
    """Text that neither ends its cell nor marks anything up."""
    line = " ".join(text.splitlines())
    return "".join(f"\\{c}" if c in _MARKS else c for c in line)
