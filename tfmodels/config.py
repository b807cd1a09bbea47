"""The frozen, strict base of every configuration, and the tagged unions of them."""

import difflib
import json
import types
from collections.abc import Iterable
from collections.abc import Mapping
from typing import TYPE_CHECKING
from typing import Annotated
from typing import Any
from typing import Self
from typing import Union
from typing import get_args
from typing import get_origin

import pydantic

from tfmodels.errors import ConfigError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


class Config(pydantic.BaseModel):
    """Base of every configuration: immutable, no unknown keys, no type conversion.

    A docstring under a field is that field's description in the JSON Schema.
    """

    model_config = pydantic.ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        protected_namespaces=(),
    )

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Validates plain data (as read from YAML or given as keywords).

        Args:
          values: JSON-like data; lists are accepted where a field is a tuple.

        Raises:
          ConfigError: a key is unknown or missing, or a value is of the wrong type or
            out of range.
        """
        try:
            return cls.model_validate_json(json.dumps(values), strict=True)
        except pydantic.ValidationError as error:
            raise ConfigError(describe_validation_error(error, cls)) from None
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"{cls.__name__}: values must be numbers, strings, booleans, lists or"
                f" mappings. {error}."
            ) from None

    def plain(self) -> dict[str, Any]:
        """The configuration as JSON-like data, every default filled in."""
        return self.model_dump(mode="json")


def tagged_union(configs: Iterable[type[Config]]) -> Any:
    """A field type that accepts any of `configs`, told apart by the value of `kind`."""
    members = tuple(configs)
    if len(members) == 1:
        # A discriminator needs a choice; without one, `kind` is required all the same.
        return Annotated[members[0], pydantic.BeforeValidator(_require_kind)]
    return Annotated[Union[members], pydantic.Field(discriminator="kind")]


def _require_kind(value: Any) -> Any:
    if isinstance(value, Mapping) and "kind" not in value:
        raise ValueError(f"the key 'kind' is missing. Received {_show(value)}.")
    return value


def similar(word: str, choices: Iterable[str]) -> str:
    """`` Did you mean ...?`` for the choice most like `word`, or nothing."""
    matches = difflib.get_close_matches(word, list(choices), n=1)
    return f" Did you mean {matches[0]}?" if matches else ""


def describe_validation_error(
    error: pydantic.ValidationError, config_class: type[Config]
) -> str:
    """Says in words a user can act on what is wrong with a configuration.

    Args:
      error: what pydantic raised for values of `config_class`.
      config_class: the configuration that was to be made of the values.

    Returns:
      One line per wrong key: its dotted path, what was expected and what was received.
    """
    lines: dict[str, str] = {}
    for detail in error.errors(include_url=False):
        path, owner = _locate(config_class, detail["loc"])
        text = _describe(detail, path, owner)
        if path in lines and detail["type"].endswith("_type"):
            # The members of a plain union each complain about the same value.
            first = lines[path].split(". Received")[0]
            text = f"{first} or {_expected(detail)}. Received {_show(detail['input'])}."
        lines[path] = text
    return "\n".join(lines.values())


def _describe(detail: "ErrorDetails", path: str, owner: type[Config]) -> str:
    """One error as ``path: what is wrong. Expected ... Received ...``."""
    received = f"Received {_show(detail['input'])}."
    where = f"{path or owner.__name__}: "
    match detail["type"]:
        case "extra_forbidden":
            key = path.rsplit(".", 1)[-1]
            keys = owner.model_fields
            hint = similar(key, keys)
            return (
                f"{where}unknown key of {owner.__name__}.{hint}"
                f" Expected one of: {', '.join(keys)}. {received}"
            )
        case "missing":
            return f"{where}missing, and there is no default. {received}"
        case "union_tag_invalid":
            kinds = detail["ctx"]["expected_tags"].replace("'", "")
            hint = similar(detail["ctx"]["tag"], kinds.split(", "))
            return (
                f"{where}unknown kind.{hint} Expected kind to be one of: {kinds}."
                f" {received}"
            )
        case "union_tag_not_found":
            return f"{where}the key 'kind' is missing. {received}"
        case "value_error":
            return f"{where}{detail['ctx']['error']}"
    return f"{where}expected {_expected(detail)}. {received}"


def _expected(detail: "ErrorDetails") -> str:
    """What pydantic expected, in the words of YAML."""
    match detail["type"]:
        case "model_type" | "dict_type" | "model_attributes_type":
            return "a mapping of keys to values"
        case "tuple_type" | "list_type":
            return "a list"
    text = detail["msg"].removeprefix("Input should be ")
    return f"a number {text}" if text.startswith(("less", "greater")) else text


def _locate(
    config_class: type[Config], location: tuple[int | str, ...]
) -> tuple[str, type[Config]]:
    """The dotted path of an error, and the configuration that owns its last key.

    Pydantic's locations also hold the tags of unions, which nobody wrote in the file.
    """
    path, owner = "", config_class
    candidates: list[Any] = [config_class]
    for step in location:
        configs = [c for c in candidates if _is_config(c)]
        containers = [c for c in candidates if get_origin(c) in (tuple, list, dict)]
        if isinstance(step, int):
            path += f"[{step}]"
            candidates = [t for c in containers for a in get_args(c) for t in _types(a)]
        elif len(configs) > 1:
            candidates = [c for c in configs if c.model_fields["kind"].default == step]
        elif configs:
            owner = configs[0]
            path += f".{step}"
            field = owner.model_fields.get(step)
            candidates = _types(field.annotation) if field else []
        elif containers:
            path += f".{step}"
            candidates = _types(get_args(containers[0])[-1])
    return path.removeprefix("."), owner


def _types(annotation: Any) -> list[Any]:
    """The members of an annotation that may be a union and may carry metadata."""
    origin = get_origin(annotation)
    if origin is Annotated:
        return _types(get_args(annotation)[0])
    if origin in (Union, types.UnionType):
        return [t for member in get_args(annotation) for t in _types(member)]
    return [annotation]


def _is_config(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Config)


def _show(value: Any) -> str:
    """A value as it might stand in the file, shortened."""
    text = json.dumps(value, default=repr)
    return text if len(text) <= 70 else f"{text[:67]}..."
