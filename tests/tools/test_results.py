"""Figures that ``make results`` takes of runs: stages, and all seeds together."""

import json
from pathlib import Path

import pytest

from tools.results import __main__ as results
from tools.results import figures
from tools.results import parts
from tools.results import together
from tools.results.recipe import Recipe
from tools.results.recipes import RECIPES
from trainers.configuration import load_experiment

ERRORS, CONTROL = (
    next(recipe for recipe in RECIPES if recipe.name == name)
    for name in (
        "mwer/fsdd_noisy",
        "mwer/fsdd_noisy objective.cross_entropy_weight=1000",
    )
)
CONTROLS = "mwer_fsdd_noisy_objective.cross_entropy_weight_1000"


@pytest.fixture
def commands(tmp_path, monkeypatch) -> list[tuple[str, ...]]:
    """Command lines that were to be run; each leaves figures where it was told to."""
    asked: list[tuple[str, ...]] = []

    def record(*arguments: str) -> str:
        asked.append(arguments)
        output = Path(arguments[arguments.index("--output") + 1])
        output.write_text('{"wer": 0.25, "p": 0.5}')
        return ""

    for module in (together, parts):
        monkeypatch.setattr(module, "RUNS", tmp_path)
    monkeypatch.setattr(together, "tfmodels", record)
    return asked


def pooled(recipe: Recipe) -> dict[str, float]:
    take = figures.FIGURES[recipe.figures].pooled
    assert take is not None
    return take(recipe)


def test_runs_of_all_seeds_against_their_controls(tmp_path, commands) -> None:
    assert pooled(CONTROL) == {"wer": 0.25, "p": 0.5}
    (asked,) = commands
    runs = [str(tmp_path / "mwer_fsdd_noisy" / f"seed{n}") for n in range(3)]
    controls = [str(tmp_path / CONTROLS / f"seed{n}") for n in range(3)]
    assert asked[:5] == ("recognition", "compare", *runs)
    assert asked[5:11:2] == ("--control",) * 3
    assert list(asked[6:11:2]) == controls
    assert asked[11:-1] == ("--output",)


def test_end_of_cross_entropy_is_among_the_checkpoints(tmp_path, commands) -> None:
    assert pooled(ERRORS) == {"wer": 0.25, "p": 0.5}
    (asked,) = commands
    runs = [str(tmp_path / "mwer_fsdd_noisy" / f"seed{n}") for n in range(3)]
    assert list(asked[2:5]) == list(asked[6:11:2]) == runs
    assert asked[11:-2] == ("--step", "4000", "--control-step", "3200")

    experiment = load_experiment(Path("configs/mwer/fsdd_noisy.yaml"))
    first, second = experiment.stages
    run, end = experiment.run, first.steps + second.steps
    saved = [*range(run.checkpoint_every, end, run.checkpoint_every), end]
    assert {3200, 4000} <= set(saved[-run.keep_checkpoints :])


def test_errors_before_and_after_the_second_stage(tmp_path) -> None:
    def line(step: int, **values: float) -> str:
        figures = {f"test/{name}": value for name, value in values.items()}
        return json.dumps({"step": step, **figures})

    lines = (
        line(1200),
        line(1201, wer=0.04, expected_errors=0.21, oracle_errors=0.02),
        line(1440, wer=0.9, expected_errors=0.9, oracle_errors=0.9),
        line(1500),
        line(1681, wer=0.03, expected_errors=0.15, oracle_errors=0.01),
    )
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    assert figures.FIGURES["expected_errors"].take(ERRORS, tmp_path) == {
        "test/expected_errors before": 0.21,
        "test/oracle_errors before": 0.02,
        "test/wer before": 0.04,
        "test/expected_errors": 0.15,
        "test/oracle_errors": 0.01,
        "test/wer": 0.03,
    }


def test_what_figures_need_is_made_before(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parts, "RUNS", tmp_path)
    monkeypatch.setattr(results, "PARTS", tmp_path)
    with pytest.raises(SystemExit, match="needs the runs of googlenet/tiny"):
        results.main(["googlenet/qat_tiny", "googlenet/tiny"])
    monkeypatch.setattr(results, "train", lambda recipe: pytest.fail("too early"))
    for name, needed in (
        ("multilingual_tts/tiny", "multilingual_tts/recogniser_tiny"),
        (CONTROL.name, ERRORS.name),
    ):
        with pytest.raises(SystemExit, match=f"needs the runs of {needed}"):
            results.main([name])


def test_all_recipes_together_need_nothing_else(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(parts, "RUNS", tmp_path)
    assert results._missing([recipe.name for recipe in RECIPES]) is None
