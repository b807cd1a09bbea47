"""Each command does on real input what its help says."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.export.sealing import read
from tests.export.sealing import reseal
from tests.tools.conftest import Command
from tests.trainers.small import ONE_MODULE
from tests.trainers.small import write_config
from tools.benchmark.start_up import start_up
from trainers.data.images.arrays import load_digits

Exported = Callable[[str], Path]


def digit_png(folder: Path) -> Path:
    import tensorflow as tf

    path = folder / "digit.png"
    path.write_bytes(tf.io.encode_png(load_digits("test").images[0]).numpy())
    return path


def test_train_evaluate_and_resume(tfmodels: Command, tmp_path: Path) -> None:
    config, run = write_config(tmp_path), tmp_path / "run"
    changes = (*ONE_MODULE, "run.steps=4", "run.checkpoint_every=2")
    short = [word for change in changes for word in ("--set", change)]
    code, out, _ = tfmodels("train", config, "--workdir", run, *short)
    assert code == 0
    assert "test/top1" in out
    assert "tensorboard --logdir" in out
    assert (run / "checkpoints" / "step-00000004").is_dir()
    code, out, err = tfmodels("train", config, "--workdir", run, *short)
    assert code == 0
    assert "Resuming after step 4" in err
    (run / "metrics.json").unlink()
    code, out, _ = tfmodels("evaluate", run)
    assert code == 0
    assert json.loads((run / "metrics.json").read_text())["test/top1"] > 0
    assert "test/top1" in out


@pytest.mark.parametrize("more", [(), ("--workdir", "run")])
def test_dry_run_writes_nothing(
    more: tuple[str, ...],
    tfmodels: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config, empty = write_config(tmp_path), tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    small = [word for change in ONE_MODULE for word in ("--set", change)]
    code, out, _ = tfmodels("train", config, "--dry-run", *small, *more)
    assert code == 0
    assert "parameters" in out
    assert not list(empty.iterdir())


def test_predict_with_a_run_and_with_an_artefact(
    tfmodels: Command, run_folder: Path, artefact: Exported, tmp_path: Path
) -> None:
    picture = digit_png(tmp_path)
    answers = []
    for model in (run_folder, artefact("tflite_int8")):
        code, out, _ = tfmodels("predict", model, picture)
        assert code == 0
        assert out.startswith(f"{picture}: ")
        answers.append(out.split(": ")[1].split(" ")[0])
    assert answers[0] == answers[1] == str(load_digits("test").targets[0])


def test_export_into_an_empty_folder_and_verify(
    tfmodels: Command, run_folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    arguments = ("--preset", "tflite_float32", "--output", output)
    code, out, _ = tfmodels("export", run_folder, *arguments)
    assert code == 0
    assert "tfmodels verify" in out
    assert (output / "manifest.json").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    code, out, _ = tfmodels("verify", output, "--max-examples", "40")
    assert code == 0
    for text in ("keras", "saved_model", "tflite", "40 examples", "100.00%"):
        assert text in out


def test_verify_says_by_how_much_a_bound_is_exceeded(
    tfmodels: Command, artefact: Exported, tmp_path: Path
) -> None:
    copy = shutil.copytree(artefact("tflite_int8"), tmp_path / "copy")
    experiment = read(copy)["experiment"]
    experiment["export"] |= {"min_agreement": 1.0, "max_accuracy_drop": 0.0}
    reseal(copy, experiment=experiment)
    code, out, err = tfmodels("verify", copy)
    assert code == 1
    assert "tflite" in out
    assert "export.min_agreement" in err or "export.max_accuracy_drop" in err


def test_systems_lists_all_ten(tfmodels: Command) -> None:
    code, out, _ = tfmodels("systems")
    assert code == 0
    for name in ("googlenet", "inception_v4", "gnmt", "gpipe", "optimal_clipping"):
        assert name in out


def test_doctor_reports_the_devices(tfmodels: Command, tmp_path: Path) -> None:
    code, out, _ = tfmodels("doctor", "--workdir", tmp_path / "runs")
    assert code in (0, 1)  # 1 where the package is not installed as required
    assert "CPU" in out
    assert "writable" in out
    assert not (tmp_path / "runs").exists()


def test_benchmark_prints_and_writes_its_figures(
    tfmodels: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    commands = {"help": ["--help"]}
    monkeypatch.setattr("tools.benchmark.start_up.COMMANDS", commands)
    monkeypatch.setattr(start_up, "__defaults__", (1,))
    file = tmp_path / "start_up.json"
    code, out, _ = tfmodels("benchmark", "start_up", "--output", file)
    assert code == 0
    assert json.loads(out) == json.loads(file.read_text())
    assert 0 < json.loads(out)["seconds"]["help"] < 30
    code, _, err = tfmodels("benchmark", "start_upp")
    assert code == 2
    assert "start_up" in err


def test_brackets_in_names_are_printed(
    tfmodels: Command, run_folder: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "[bold]" / "[" / "red]"
    folder.mkdir(parents=True)
    picture = digit_png(folder)
    code, out, _ = tfmodels("predict", run_folder, picture)
    assert code == 0
    assert out.startswith(f"{picture}: ")


@pytest.mark.slow
def test_predict_lists_the_best_answers(
    tfmodels: Command, numbers_run: Path, run_folder: Path
) -> None:
    code, out, _ = tfmodels("predict", numbers_run, "seven", "--nbest", "2")
    assert code == 0
    lines = out.splitlines()
    assert lines[0] == "seven:"
    assert len(lines) == 5
    scores = [float(line.split()[0]) for line in lines[1::2]]
    assert scores == sorted(scores, reverse=True)
    assert "<" in lines[2]
    change = ("--set", "task.search={beam_width: 1}")
    code, out, _ = tfmodels("predict", numbers_run, "seven", "--nbest", "2", *change)
    assert (code, len(out.splitlines())) == (0, 3)
    picture = numbers_run / "pictures" / "curves.png"
    code, _, err = tfmodels("predict", run_folder, picture, "--nbest", "2")
    assert code == 2
    assert "gives one answer" in err


def test_the_configuration_of_an_artefact_is_fixed(
    tfmodels: Command, artefact: Exported
) -> None:
    folder, change = artefact("tflite_float32"), ("--set", "run.seed=1")
    code, _, err = tfmodels("predict", folder, "x.png", *change)
    assert code == 2
    assert "is an artefact, whose configuration is fixed" in err
