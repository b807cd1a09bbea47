"""Experiments as files: reading YAML with overrides, writing, comparing, the schema."""

import io
import json
import os
import pathlib
from collections.abc import Iterable
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

from ruamel.yaml import YAML
from ruamel.yaml.constructor import SafeConstructor
from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.nodes import SequenceNode
from ruamel.yaml.representer import SafeRepresenter

from tfmodels.config import Config
from tfmodels.config import similar
from tfmodels.errors import ConfigError
from trainers.experiment import Experiment

CONFIGS = pathlib.Path(__file__).resolve().parents[1] / "configs"
"""The shipped configurations, one folder per system."""

ABSENT = "(absent)"
"""Stands for the value of a key that one of two compared experiments lacks."""


class Change(NamedTuple):
    """One key whose value differs between two experiments."""

    key: str
    """Dotted path, such as ``optimizer.learning_rate.initial``."""
    before: Any
    """Value in the first experiment, or `ABSENT`."""
    after: Any
    """Value in the second experiment, or `ABSENT`."""

    def __str__(self) -> str:
        return f"{self.key}: {json.dumps(self.before)} -> {json.dumps(self.after)}"


class _Constructor(SafeConstructor):
    """Reads dates as text: YAML 1.2 has no such type, and neither have experiments."""


_Constructor.add_constructor(
    "tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str
)


class _Representer(SafeRepresenter):
    """Writes `kind` before the keys that depend on it, lists of numbers on one line."""

    def represent_str(self, data: str) -> ScalarNode:
        # Left to itself, the emitter loses control characters such as U+0085.
        style = None
        if not data.isprintable():
            block = all(line.isprintable() for line in data.split("\n"))
            style = "|" if block else '"'
        return self.represent_scalar("tag:yaml.org,2002:str", data, style=style)

    def represent_dict(self, data: dict[str, Any]) -> MappingNode:
        # A list of pairs, because ruamel sorts the keys of a mapping.
        items = sorted(data.items(), key=lambda item: item[0] != "kind")
        return self.represent_mapping("tag:yaml.org,2002:map", items, flow_style=False)

    def represent_list(self, data: list[Any]) -> SequenceNode:
        flow = all(isinstance(item, (int, float)) for item in data)
        return self.represent_sequence("tag:yaml.org,2002:seq", data, flow_style=flow)


_Representer.add_representer(str, _Representer.represent_str)
_Representer.add_representer(dict, _Representer.represent_dict)
_Representer.add_representer(list, _Representer.represent_list)


def load_experiment(
    path: str | os.PathLike[str], overrides: Sequence[str] = ()
) -> Experiment:
    """Reads and validates a configuration file.

    Args:
      path: a YAML file, or the name of a shipped one such as ``googlenet/tiny``.
      overrides: changes such as ``run.steps=200``; see `override`.

    Raises:
      ConfigError: the file is missing or is not YAML, or a key or value is wrong.
    """
    file = find_config(path)
    values = read_yaml(_read(file), str(file))
    if not isinstance(values, dict):
        raise ConfigError(
            f"{file}: not an experiment. Expected a mapping with the keys"
            f" {', '.join(Experiment.model_fields)}. Received {str(values)[:60]!r}."
        )
    for text in overrides:
        override(values, text)
    try:
        return Experiment.parse(values)
    except ConfigError as error:
        raise ConfigError(f"{file}: {error}") from None


def find_config(path: str | os.PathLike[str]) -> pathlib.Path:
    """The file of this path or, failing that, the shipped configuration of this name.

    Raises:
      ConfigError: there is neither.
    """
    shipped = str(path).removeprefix("configs/").removesuffix(".yaml") + ".yaml"
    for file in (pathlib.Path(path), CONFIGS / shipped):
        if file.is_file():
            return file
    names = [f"{file.parent.name}/{file.stem}" for file in shipped_configs()]
    raise ConfigError(
        f"{path}: no such file.{similar(shipped.removesuffix('.yaml'), names)} Expected"
        f" the path of a YAML file, or one of {', '.join(names)}."
    )


def shipped_configs(system: str = "*") -> list[pathlib.Path]:
    """The configuration files that come with the application, of one system or all."""
    return sorted(CONFIGS.glob(f"{system}/*.yaml"))


def read_yaml(text: str, source: str) -> Any:
    """Parses one YAML 1.2 document without tags that run code.

    Args:
      text: the document.
      source: where it comes from, for error messages.

    Raises:
      ConfigError: it is not YAML, or a key stands twice in one mapping.
    """
    yaml = YAML(typ="safe", pure=True)
    yaml.Constructor = _Constructor
    try:
        return yaml.load(text)
    except MarkedYAMLError as error:
        problem = (error.problem or "not YAML").strip()
        mark = error.problem_mark
        place = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise ConfigError(
            f"{source}{place}: {problem}. Expected YAML with every key only once in its"
            " mapping."
        ) from None
    except YAMLError as error:
        raise ConfigError(f"{source}: not YAML. {error}") from None


def override(values: dict[str, Any], text: str) -> None:
    """Sets one key of nested mappings in place.

    Args:
      values: the mappings; missing ones on the way to the key are created.
      text: ``a.b.c=value``; the value is a YAML 1.2 scalar or a list or mapping on one
        line, as in ``[1, 2]``.

    Raises:
      ConfigError: the text has another form, or the path leads through a plain value.
    """
    path, equals, value = text.partition("=")
    keys = path.strip().split(".")
    if not equals or not all(keys):
        raise ConfigError(
            "an override is malformed. Expected --set a.b.c=value. Received --set"
            f" {text}"
        )
    parsed = read_yaml(value, f"--set {text}")
    for depth, key in enumerate(keys[:-1], start=1):
        inner = values.get(key, {})
        if not isinstance(inner, dict):
            raise ConfigError(
                f"--set {text}: there is nothing to set inside of"
                f" {'.'.join(keys[:depth])}. Expected a mapping there. Received"
                f" {json.dumps(inner, default=str)}."
            )
        # A copy: YAML's aliases make one mapping stand in several places.
        values[key] = dict(inner)
        values = values[key]
    values[keys[-1]] = parsed


def dump(experiment: Experiment) -> str:
    """The experiment as YAML, every default filled in; `load_experiment` reads it."""
    yaml = YAML(typ="safe", pure=True)
    yaml.Representer = _Representer
    yaml.width = 88
    stream = io.StringIO()
    yaml.dump(experiment.plain(), stream)
    return stream.getvalue()


def difference(first: Experiment, second: Experiment) -> list[Change]:
    """The keys whose values differ, in the order of the first experiment."""
    before, after = flatten(first), flatten(second)
    return [
        Change(key, before.get(key, ABSENT), after.get(key, ABSENT))
        for key in [*before, *(key for key in after if key not in before)]
        if before.get(key, ABSENT) != after.get(key, ABSENT)
    ]


def flatten(config: Config) -> dict[str, Any]:
    """Every value by its dotted path; an empty mapping or a plain list is one value."""
    return dict(_flatten("", config.plain()))


def schema() -> dict[str, Any]:
    """The JSON Schema of an experiment, with every field's description."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Experiment.model_json_schema(),
    }


def _read(file: pathlib.Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read as UTF-8 text. {error}") from None


def _flatten(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    items: Iterable[tuple[str, Any]]
    if isinstance(value, Mapping) and value:
        items = ((f"{path}.{key}", item) for key, item in value.items())
    elif isinstance(value, list) and any(isinstance(item, Mapping) for item in value):
        items = ((f"{path}[{index}]", item) for index, item in enumerate(value))
    else:
        yield path.removeprefix("."), value
        return
    for key, item in items:
        yield from _flatten(key, item)
