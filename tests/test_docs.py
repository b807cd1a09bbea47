"""The documentation: its links, commands, configurations, names and examples hold."""

import ast
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import pytest
import typer

from tfmodels import errors
from tools.cli import app
from tools.systems import SYSTEMS
from trainers.configuration import find_config
from trainers.configuration import load_experiment
from trainers.configuration import read_yaml
from trainers.data.images.arrays import load_digits
from trainers.experiment import Experiment

ROOT = pathlib.Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
DEVICE = ROOT / "docs/how-to/device_export.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
ROOMS = ("tfmodels", "trainers", "export", "tools", "configs")
# Paths that the documentation gives to things a reader is to make.
EXAMPLES = ("tfmodels/plain", "trainers/objectives/my_loss.py")
SHIPPED = rf"(?:{'|'.join(system.name for system in SYSTEMS)})/[a-z0-9_]+"
each_page = pytest.mark.parametrize(
    "page", PAGES, ids=[page.relative_to(ROOT).as_posix() for page in PAGES]
)


class Block(NamedTuple):
    """A fenced block, without the indentation of the list that it stands in."""

    language: str
    text: str


def text_of(page: pathlib.Path) -> str:
    return page.read_text(encoding="utf-8")


def blocks(page: pathlib.Path, language: str | None = None) -> list[Block]:
    pattern = r"^( *)```(\w*)\n(.*?)^ *```$"
    found = re.findall(pattern, text_of(page), re.DOTALL | re.MULTILINE)
    return [
        Block(name, textwrap.dedent(text))
        for _, name, text in found
        if language in (None, name)
    ]


def spans(page: pathlib.Path) -> list[str]:
    """Inline code; a span may go over the end of a line."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.DOTALL | re.M)
    return [" ".join(span.split()) for span in re.findall(r"`([^`]+)`", prose)]


def slug(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", heading.strip().lower())
    return kept.replace(" ", "-")


@each_page
def test_links_lead_somewhere(page: pathlib.Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", text_of(page)):
        if target.startswith(("http://", "https://")):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", text_of(file), re.MULTILINE)
            assert anchor in map(slug, headings), target


def commands(page: pathlib.Path) -> Iterator[tuple[list[str], bool]]:
    """Words of every `tfmodels` command, and whether it stands there in full."""
    for block in blocks(page):
        for line in block.text.splitlines():
            found = re.match(r"\s*(?:until )?tfmodels (.*)$", line)
            if found and block.language in ("", "bash", "sh"):
                words = shlex.split(re.split(r";|\s&$", found[1])[0], comments=True)
                yield words, True
    for span in spans(page):
        if re.match(r"tfmodels \w", span):
            yield shlex.split(span)[1:], False


def parse(words: list[str], complete: bool) -> None:
    """Parses a command line as the program would, without running it."""
    command: Any = typer.main.get_command(app)
    rest = list(words)
    while hasattr(command, "commands") and rest:
        assert rest[0] in command.commands, words
        command = command.commands[rest.pop(0)]
    if complete or rest:
        command.make_context(words[0], rest)


@each_page
def test_commands_exist_and_take_these_options(page: pathlib.Path):
    for words, complete in commands(page):
        parse(words, complete)
        overrides = [
            words[place + 1] for place, word in enumerate(words) if word == "--set"
        ]
        for name in words[1:]:
            if re.fullmatch(SHIPPED, name):
                load_experiment(name, overrides)


def test_a_wrong_command_is_found():
    with pytest.raises(AssertionError):
        parse(["learn", "googlenet/tiny"], complete=True)
    with pytest.raises(Exception, match="--folder"):
        parse(["train", "googlenet/tiny", "--folder", "runs"], complete=True)


@each_page
def test_shipped_configurations_exist(page: pathlib.Path):
    pattern = rf"(?<![\w/])(?:configs/)?({SHIPPED})(?![\w/])"
    for name in re.findall(pattern, text_of(page)):
        find_config(name)


@each_page
def test_yaml_is_valid(page: pathlib.Path):
    for block in blocks(page, "yaml"):
        if "kind: plain" not in block.text:
            check_yaml(block.text)
    for span in spans(page):
        if re.fullmatch(
            r"(task|model|data|objective|optimizer|strategy): \{.*\}", span
        ):
            check_yaml(span)


def check_yaml(text: str) -> None:
    """Validates a whole experiment, or sections put into a shipped one."""
    sections = read_yaml(text, "the documentation")
    if "model" in sections:
        Experiment.parse(sections)
        return
    of_translation = "parallel_text" in text or "expected_reward" in text
    shipped = "gnmt/tiny" if of_translation else "googlenet/tiny"
    values = load_experiment(shipped).plain()
    if "stages" in sections:
        values["run"].pop("steps")
    Experiment.parse({**values, **sections})


@each_page
def test_python_can_be_parsed(page: pathlib.Path):
    for block in blocks(page, "python"):
        if not block.text.startswith("# tfmodels/catalog.py"):
            ast.parse(block.text)


def defined(tree: ast.Module) -> set[str]:
    """Names that a module defines, members of classes with the class's name."""
    names: set[str] = set()
    for node in tree.body:
        names |= _names(node)
        if isinstance(node, ast.ClassDef):
            for member in node.body:
                names |= {f"{node.name}.{name}" for name in _names(member)}
    return names


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    if isinstance(node, ast.Assign):
        return {target.id for target in node.targets if isinstance(target, ast.Name)}
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        return {node.target.id}
    return set()


@each_page
def test_functions_are_where_the_documentation_says(page: pathlib.Path):
    for span in spans(page):
        found = re.fullmatch(r"([\w/]+\.py): ([\w., ]+)", span)
        if found:
            tree = ast.parse(text_of(ROOT / found[1]))
            for name in found[2].split(", "):
                assert name in defined(tree), span


@pytest.mark.parametrize("system", [s.name for s in SYSTEMS if s.configs])
def test_every_available_system_has_a_page_that_names_functions(system: str):
    page = ROOT / f"docs/systems/{system}.md"
    assert sum(".py: " in span for span in spans(page)) > 10


@each_page
def test_paths_exist(page: pathlib.Path):
    planned = {home for s in SYSTEMS if not s.configs for home in s.homes}
    pattern = rf"(?:{'|'.join((*ROOMS, 'tests', 'docs', '.ci'))})/[\w./-]*\w/?"
    for span in spans(page):
        path = span.partition(": ")[0]
        if re.fullmatch(pattern, path) and not path.startswith(EXAMPLES):
            assert path in planned or (ROOT / path).exists(), path


@each_page
def test_make_has_these_targets(page: pathlib.Path):
    targets = re.findall(r"^(\w+):", text_of(ROOT / "Makefile"), re.MULTILINE)
    code = "\n".join([*spans(page), *re.findall(r"^    .*$", text_of(page), re.M)])
    for target in re.findall(r"^\s*make (\w+)", code, re.MULTILINE):
        assert target in targets, target


def test_the_readme_lists_the_systems_as_they_are():
    rows = re.findall(r"^\| \[?`(\w+)`.*\| `(.*?)` \| (.*?) \|$", text_of(README), re.M)
    assert [name for name, _, _ in rows] == [system.name for system in SYSTEMS]
    for system, (_, home, status) in zip(SYSTEMS, rows, strict=True):
        assert home in system.homes
        assert ("available" in status) == bool(system.configs)


def test_the_readme_lists_the_exit_codes():
    codes = {cls.exit_code for cls in errors.UserError.__subclasses__()} | {0}
    listed = re.findall(r"^\| (\d+) \|", text_of(README), re.MULTILINE)
    assert [int(code) for code in listed] == sorted(codes)


def follow_the_readme(root: pathlib.Path) -> pathlib.Path:
    """A copy of the rooms with the README's own model in it; its configuration."""
    for room in ROOMS:
        shutil.copytree(ROOT / room, root / room)
    (root / "tfmodels/plain").mkdir()
    (root / "tfmodels/plain/__init__.py").write_text('"""The plain network."""\n')
    for block in blocks(README, "python"):
        found = re.match(r"# (tfmodels/\w+(?:/\w+)?\.py)\n", block.text)
        if not found:
            continue
        file, text = root / found[1], block.text[found.end() :]
        if file.exists():
            lines, row = text.rstrip().split("\n\n")
            before = file.read_text().replace("= {\n", f"= {{\n{row}\n", 1)
            text = before.replace("\nif TYPE_CHECKING", f"{lines}\n\nif TYPE_CHECKING")
        file.write_text(text)
    config = root / "plain.yaml"
    (example,) = [b for b in blocks(README, "yaml") if "kind: plain" in b.text]
    config.write_text(example.text)
    return config


def python(root: pathlib.Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(root), "KERAS_BACKEND": "tensorflow"}
    result = subprocess.run(
        [sys.executable, *arguments],
        cwd=root,
        env=environment,
        text=True,
        capture_output=True,
        timeout=300,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_model_is_added_as_the_readme_says(tmp_path: pathlib.Path):
    follow_the_readme(tmp_path)
    code = (
        "import tfmodels\n"
        "from trainers.configuration import load_experiment\n"
        "from tfmodels.catalog import build\n"
        "assert 'plain' in tfmodels.models()\n"
        "model = build(load_experiment('plain.yaml').model)\n"
        "print(model.output['logits'].shape)\n"
    )
    assert python(tmp_path, "-c", code).strip() == "(None, 10)"


@pytest.mark.slow
def test_the_readme_model_trains_and_runs_on_a_device(tmp_path: pathlib.Path):
    import tensorflow as tf

    config = follow_the_readme(tmp_path)
    tfmodels = ("-m", "tools.cli")
    python(tmp_path, *tfmodels, "train", str(config), "--workdir", "runs/plain")
    where = ("--preset", "tflite_int8", "--output", "out/plain")
    python(tmp_path, *tfmodels, "export", "runs/plain", *where)
    python(tmp_path, *tfmodels, "verify", "out/plain")
    (snippet,) = blocks(DEVICE, "python")
    (tmp_path / "device.py").write_text(snippet.text)
    digits = load_digits("test")
    right = 0
    for row in range(4):
        picture = tmp_path / "digit.png"
        picture.write_bytes(tf.io.encode_png(digits.images[row]).numpy())
        label = python(tmp_path, "device.py", "out/plain", str(picture)).strip()
        right += label == str(digits.targets[row])
    assert right >= 3
