"""`--set a.b.c=value` on plain mappings."""

from typing import Any

import pytest

from tfmodels.errors import ConfigError
from trainers.configuration import override
from trainers.configuration import read_yaml


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a=1", {"a": 1, "b": {"c": 2}}),
        ("b.c=1e-3", {"a": 0, "b": {"c": 0.001}}),
        ("b.d.e=no", {"a": 0, "b": {"c": 2, "d": {"e": "no"}}}),
        ("b=[1, x]", {"a": 0, "b": [1, "x"]}),
        ("b={c: null}", {"a": 0, "b": {"c": None}}),
        ("b.c=x=y", {"a": 0, "b": {"c": "x=y"}}),
        ("a=2001-01-01", {"a": "2001-01-01", "b": {"c": 2}}),
        ("a=", {"a": None, "b": {"c": 2}}),
    ],
)
def test_overrides_are_yaml_1_2(text: str, expected: dict[str, Any]):
    values: dict[str, Any] = {"a": 0, "b": {"c": 2}}
    override(values, text)
    assert values == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", r"Expected --set a\.b\.c=value"),
        ("=1", r"Expected --set a\.b\.c=value"),
        ("a..b=1", r"Expected --set a\.b\.c=value"),
        ("a.b=1", r"inside of a\. Expected a mapping.*Received 0"),
        ("c.d.e=1", r"inside of c\. Expected a mapping.*Received \[\]"),
        ("a=[1", r"--set a=\[1, line 1, column 3"),
    ],
)
def test_a_wrong_override_is_refused(text: str, message: str):
    with pytest.raises(ConfigError, match=message):
        override({"a": 0, "c": []}, text)


def test_an_override_leaves_aliases_of_a_mapping_alone():
    values = read_yaml("a: &shared {x: {y: 1}}\nb: *shared\n", "test")
    override(values, "a.x.y=2")
    assert values == {"a": {"x": {"y": 2}}, "b": {"x": {"y": 1}}}
