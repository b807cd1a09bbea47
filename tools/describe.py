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

    from tfmodels.classification.model import ImageClassifier

_COLUMNS = ("output", "weights", "M mult-adds", "field")


class Subnetwork(NamedTuple):
    """One named output of a model, with the layers that lead to it."""

    shape: str
    """Height, width and channels of the output."""
    weights: int
    multiply_adds: int
    """For one image."""
    receptive_field: int | None
    """Pixels, down, that a position of the output sees; None without positions."""


def describe_command(
    model: Annotated[
        str, typer.Argument(help="Name of a model, such as inception_resnet_v2.")
    ],
    overrides: Overrides = None,
    against: Annotated[
        str | None, typer.Option(help="Another model: show where the two differ.")
    ] = None,
    layers: Annotated[
        bool, typer.Option("--layers", help="Every layer, in place of subnetworks.")
    ] = False,
) -> None:
    """List a model's subnetworks: shapes, weights, multiply-adds, receptive fields.

    Below them, the multiply-adds of each resolution.
    """
    if layers and against:
        raise ConfigError(
            "--layers: two models are compared by subnetworks. Expected --layers or"
            f" --against. Received --layers with --against {against}."
        )
    built = _build(model, overrides or [])
    if against:
        other = _parts(_build(against, []))
        print_to_terminal(_differences(_parts(built), other))
        return
    print_to_terminal(_layers(built) if layers else _table(_parts(built)))
    print_to_terminal(_resolutions(built))


def subnetworks(model: str, overrides: list[str]) -> dict[str, Subnetwork]:
    """The subnetworks of a model by endpoint, from the image to the class scores.

    Args:
      model: a name of the catalogue, that of an image classifier.
      overrides: changes of its configuration, such as ``wiring=paper``.

    Raises:
      ConfigError: there is no such image classifier, or a setting is wrong.
    """
    return _parts(_build(model, overrides))


def _build(model: str, overrides: list[str]) -> "ImageClassifier":
    from tfmodels import catalog
    from tfmodels.classification.config import ImageClassifierConfig
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
    built: ImageClassifier = entry.build(entry.config.parse(values))
    return built


def _parts(built: "ImageClassifier") -> dict[str, Subnetwork]:
    from tfmodels.introspection import overview

    whole = overview(built)
    fields = {row.name: row.receptive_field for row in whole.rows}
    rows = defaultdict(list)
    for row in whole.rows:
        names = [n for n in built.endpoints if f"{row.name}_".startswith(f"{n}_")]
        rows[max(names, key=len, default="")].append(row)
    parts = {}
    for name, tensor in built.endpoints.items():
        field = fields[tensor._keras_history.operation.name]
        parts[name] = Subnetwork(
            "x".join(map(str, tensor.shape[1:])),
            sum(row.trainable + row.non_trainable for row in rows[name]),
            sum(row.multiply_adds for row in rows[name]),
            field[0] if field else None,
        )
    return parts


def _table(parts: dict[str, Subnetwork]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table("subnetwork", *_COLUMNS, box=SIMPLE_HEAD, show_footer=True)
    for name, part in parts.items():
        table.add_row(name, *_cells(part))
    table.columns[2].footer, table.columns[3].footer = _totals(parts)
    return table


def _differences(
    first: dict[str, Subnetwork], second: dict[str, Subnetwork]
) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    others = (f"other {name}" for name in _COLUMNS)
    table = Table("subnetwork", *_COLUMNS, *others, box=SIMPLE_HEAD, padding=0)
    for name in [*first, *(name for name in second if name not in first)]:
        left, right = first.get(name), second.get(name)
        if left != right:
            table.add_row(name, *_cells(left), *_cells(right))
    table.add_row("all", "", *_totals(first), "", "", *_totals(second), "")
    return table


def _layers(built: "ImageClassifier") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from tfmodels.introspection import overview

    table = Table("layer", *_COLUMNS, box=SIMPLE_HEAD)
    for row in overview(built).rows:
        table.add_row(
            row.name,
            "x".join(map(str, row.output_shape)),
            f"{row.trainable + row.non_trainable:,}",
            _millions(row.multiply_adds),
            str(row.receptive_field[0]) if row.receptive_field else "",
        )
    return table


def _resolutions(built: "ImageClassifier") -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from tfmodels.introspection import costs_by_side
    from tfmodels.introspection import overview

    costs = costs_by_side(overview(built))
    table = Table("rows of the map", "M mult-adds", "share", box=SIMPLE_HEAD)
    for side, cost in costs.items():
        share = f"{cost / sum(costs.values()):.1%}"
        table.add_row(str(side), _millions(cost), share)
    return table


def _cells(part: Subnetwork | None) -> tuple[str, ...]:
    if part is None:
        return ("-",) * len(_COLUMNS)
    field = "" if part.receptive_field is None else str(part.receptive_field)
    return (part.shape, f"{part.weights:,}", _millions(part.multiply_adds), field)


def _totals(parts: dict[str, Subnetwork]) -> tuple[str, str]:
    weights = sum(part.weights for part in parts.values())
    return f"{weights:,}", _millions(sum(p.multiply_adds for p in parts.values()))


def _millions(number: int) -> str:
    return f"{number / 1e6:,.1f}"
