"""What all tests that start processes share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster import Machine
from tests.cluster import machine as new_machine


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    """A place to start processes; nothing runs any more when the test ends."""
    with new_machine(tmp_path / "logs") as started:
        yield started
