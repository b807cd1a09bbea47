"""What commands print: tables of figures, on a terminal or as plain text."""

from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Any

if TYPE_CHECKING:
    from rich.table import Table


def metrics_table(metrics: Mapping[str, float], title: str) -> "Table":
    """A table with one figure per line."""
    from rich.table import Table

    table = Table("metric", "value", title=title, title_justify="left")
    for name, value in sorted(metrics.items()):
        table.add_row(name, f"{value:.6g}")
    return table


def print_to_terminal(thing: Any) -> None:
    """Prints text or a table on standard output."""
    from rich.console import Console

    # File names and messages may hold brackets, which rich would take for markup.
    Console(markup=False).print(thing, soft_wrap=isinstance(thing, str))
