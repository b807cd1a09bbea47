"""`tfmodels describe`: the subnetworks of a model, what they cost, how two differ."""

from collections import defaultdict
from typing import TYPE_CHECKING
from typing import Annotated
from typing import NamedTuple

import typer

from tfmodels.errors import ConfigError
from tools.config import Overrides
from tools.console import print_to_terminal

if TYPE_CHECKING:
    from rich.table import Table


class Subnetwork(NamedTuple):
    """One named output of a model, with the layers that lead to it."""

    shape: str
    """Height, width and channels of the output."""
    weights: int
    multiply_adds: int
    """For one image."""


def describe_command(
    model: Annotated[
        str, typer.Argument(help="Name of a model, such as inception_resnet_v2.")
    ],
    overrides: Overrides = None,
    against: Annotated[
        str | None, typer.Option(help="Another model: show where the two differ.")
    ] = None,
) -> None:
    """List a model's subnetworks: shapes, weights, multiply-adds."""
    first = subnetworks(model, overrides or [])
    second = subnetworks(against, []) if against else None
    print_to_terminal(_table(first, second))


def subnetworks(model: str, overrides: list[str]) -> dict[str, Subnetwork]:
    """The subnetworks of a model by endpoint, from the image to the class scores.

    Args:
      model: a name of the catalogue, that of an image classifier.
      overrides: changes of its configuration, such as ``wiring=paper``.

    Raises:
      ConfigError: there is no such image classifier, or a setting is wrong.
    """
    from tfmodels import catalog
    from tfmodels.classification.config import ImageClassifierConfig
    from tfmodels.introspection import overview
    from trainers.configuration import override

    entry, values = catalog.find(model), {"kind": model}
    if not issubclass(entry.config, ImageClassifierConfig):
        raise ConfigError(
            "only image classifiers are made of named subnetworks. Expected the name of"
            f" one. Received {model!r}; 'tfmodels train --dry-run' lists the variables"
            " of any model."
        )
    for text in overrides:
        override(values, text)
    built = entry.build(entry.config.parse(values))
    rows = defaultdict(list)
    for row in overview(built).rows:
        names = [n for n in built.endpoints if f"{row.name}_".startswith(f"{n}_")]
        rows[max(names, key=len, default="")].append(row)
    return {
        name: Subnetwork(
            "x".join(map(str, tensor.shape[1:])),
            sum(row.trainable + row.non_trainable for row in rows[name]),
            sum(row.multiply_adds for row in rows[name]),
        )
        for name, tensor in built.endpoints.items()
    }


def _table(
    first: dict[str, Subnetwork], second: dict[str, Subnetwork] | None
) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    columns = ("output", "weights", "M mult-adds")
    if second is None:
        table = Table("subnetwork", *columns, box=SIMPLE_HEAD, show_footer=True)
        for name, part in first.items():
            table.add_row(name, *_cells(part))
        weights, cost = _totals(first)
        table.columns[2].footer, table.columns[3].footer = weights, cost
        return table
    others = (f"other {name}" for name in columns)
    table = Table("subnetwork", *columns, *others, box=SIMPLE_HEAD, padding=0)
    for name in [*first, *(name for name in second if name not in first)]:
        left, right = first.get(name), second.get(name)
        if left != right:
            table.add_row(name, *_cells(left), *_cells(right))
    table.add_row("all", "", *_totals(first), "", *_totals(second))
    return table


def _cells(part: Subnetwork | None) -> tuple[str, str, str]:
    if part is None:
        return ("-", "-", "-")
    return (part.shape, f"{part.weights:,}", _millions(part.multiply_adds))


def _totals(parts: dict[str, Subnetwork]) -> tuple[str, str]:
    weights = sum(part.weights for part in parts.values())
    return f"{weights:,}", _millions(sum(p.multiply_adds for p in parts.values()))


def _millions(number: int) -> str:
    return f"{number / 1e6:,.1f}"
