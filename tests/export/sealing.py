"""Changing an artefact as someone would who knows about the hashes in its manifest."""

import json
from pathlib import Path
from typing import Any

from export.manifest import MANIFEST
from export.manifest import Manifest
from export.manifest import fingerprint
from export.manifest import write_manifest


def read(folder: Path) -> dict[str, Any]:
    """The manifest of an artefact."""
    return json.loads((folder / MANIFEST).read_text())


def reseal(folder: Path, **changes: Any) -> None:
    """Makes the manifest agree with what the folder now holds, and changes it."""
    files = {name: entry.plain() for name, entry in fingerprint(folder).items()}
    values = {**read(folder), "files": files, **changes}
    write_manifest(folder, Manifest.parse(values))
