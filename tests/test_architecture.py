"""The shape of the repository: what commands import, what folders of configs hold."""

import pathlib
import subprocess
import sys

import pytest

from tfmodels.catalog import MODELS
from tools.systems import SYSTEMS
from trainers.catalog import IMPLEMENTATIONS
from trainers.configuration import CONFIGS
from trainers.configuration import dump
from trainers.configuration import load_experiment
from trainers.configuration import shipped_configs
from trainers.experiment import Experiment

ROOT = pathlib.Path(__file__).resolve().parents[1]
ROOMS = ("tfmodels", "trainers", "export", "tools")
# Run by another Python, which has what they import.
FOREIGN = {
    "joey_search.py",
    "torch_decoder_step.py",
    "torch_gnmt.py",
    "torch_hqq.py",
    "torch_images.py",
    "torch_inception.py",
    "torch_las.py",
    "torch_tacotron.py",
    "torch_pipeline.py",
    "torch_pychain.py",
}
LIGHT = ("config.py", "catalog.py", "errors.py", "durations.py", "experiment.py")
HEAVY = ("tensorflow", "keras", "sklearn", "matplotlib", "scipy")

COMMANDS = (
    ["--help"],
    ["systems"],
    ["config", "show", "googlenet/tiny"],
    ["config", "validate", "googlenet/tiny"],
    ["config", "diff", "googlenet/tiny", "inception_v4/tiny"],
    ["config", "schema"],
    ["train", "--help"],
    ["launch", "local", "--help"],
)


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        text=True,
        capture_output=True,
        timeout=60,
    )


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_quick_commands_never_import_tensorflow(arguments: list[str]):
    result = python(
        "import sys\n"
        f"sys.argv = ['tfmodels', *{arguments!r}]\n"
        "from tools.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit as stop:\n"
        "    assert not stop.code, stop.code\n"
        f"loaded = [name for name in {HEAVY!r} if name in sys.modules]\n"
        "assert not loaded, loaded\n"
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout


def test_tensorflow_comes_without_what_only_keras_would_load():
    result = python(
        "import sys\n"
        "from tools.quiet import load_tensorflow\n"
        "load_tensorflow()\n"
        "import keras\n"
        "loaded = [name for name in ('sklearn', 'matplotlib') if name in sys.modules]\n"
        "assert not loaded, loaded\n"
        "import matplotlib.pyplot, sklearn.metrics\n"
    )
    assert result.returncode == 0, result.stderr


def test_light_modules_never_import_tensorflow():
    files = [
        file.relative_to(ROOT)
        for room in ROOMS
        for file in sorted((ROOT / room).rglob("*.py"))
        if (file.name in LIGHT or room == "tools") and file.name not in FOREIGN
    ]
    names = [".".join(file.with_suffix("").parts) for file in files]
    result = python(
        "import importlib, sys\n"
        f"for name in {names!r}:\n"
        "    importlib.import_module(name)\n"
        f"    loaded = [heavy for heavy in {HEAVY!r} if heavy in sys.modules]\n"
        "    assert not loaded, (name, loaded)\n"
    )
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize(
    "file", shipped_configs(), ids=lambda file: f"{file.parent.name}/{file.stem}"
)
def test_every_shipped_config_is_valid(file: pathlib.Path, tmp_path: pathlib.Path):
    experiment = load_experiment(file)
    resolved = tmp_path / "resolved.yaml"
    resolved.write_text(dump(experiment), encoding="utf-8")
    assert load_experiment(resolved) == experiment
    assert experiment.description


def test_every_config_folder_is_a_system_with_the_same_files():
    folders = {path.name for path in CONFIGS.iterdir() if path.is_dir()}
    assert folders == {system.name for system in SYSTEMS}
    for folder in folders:
        names = {file.stem for file in shipped_configs(folder)}
        assert names >= {"tiny", "base", "paper"}


def test_ten_systems():
    assert len({system.name for system in SYSTEMS}) == 10


def test_catalogs_agree_with_the_kinds_of_configurations():
    for name, entry in MODELS.items():
        assert entry.config.model_fields["kind"].default == name
    definitions = Experiment.model_json_schema()["$defs"].values()
    kinds = {
        item["properties"]["kind"].get("const")
        for item in definitions
        if "const" in item.get("properties", {}).get("kind", {})
    }
    for table in IMPLEMENTATIONS.values():
        assert set(table) <= kinds


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_says_what_belongs_in_it(room: str):
    for file in (ROOT / room).rglob("*.py"):
        first = file.read_text(encoding="utf-8").lstrip().partition("\n")[0]
        assert first.startswith('"""'), file


@pytest.mark.parametrize("room", ROOMS)
def test_every_folder_is_a_package(room: str):
    # The import contracts are checked only inside of packages.
    for file in (ROOT / room).rglob("*.py"):
        assert (file.parent / "__init__.py").is_file(), file.parent


@pytest.mark.parametrize("room", ROOMS)
def test_files_are_short(room: str):
    for file in (ROOT / room).rglob("*.py"):
        assert len(file.read_text(encoding="utf-8").splitlines()) <= 300, file
