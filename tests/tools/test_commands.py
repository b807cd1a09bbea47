"""Each command does on real input what its help says."""

import json
import shutil
from pathlib import Path

import pytest

from tests.tools.conftest import Command
from tools.benchmark.start_up import start_up
from trainers.data.images.arrays import load_digits


def digit_png(folder: Path) -> Path:
    import tensorflow as tf

    path = folder / "digit.png"
    path.write_bytes(tf.io.encode_png(load_digits("test").images[0]).numpy())
    return path


def test_train_evaluate_and_resume(tfmodels: Command, trained: Path) -> None:
    config, run = trained / "small.yaml", trained / "cli"
    short = ("--set", "run.steps=4", "--set", "run.checkpoint_every=2")
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


def test_dry_run_writes_nothing(
    tfmodels: Command,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    for more in ((), ("--workdir", tmp_path / "run")):
        code, out, _ = tfmodels("train", trained / "small.yaml", "--dry-run", *more)
        assert code == 0
        assert "parameters" in out
        assert not list(tmp_path.iterdir())


def test_predict_with_a_run_and_with_an_artefact(
    tfmodels: Command, trained: Path, tmp_path: Path
) -> None:
    picture = digit_png(tmp_path)
    answers = []
    for model in (trained / "run", trained / "int8"):
        code, out, _ = tfmodels("predict", model, picture)
        assert code == 0
        assert out.startswith(f"{picture}: ")
        answers.append(out.split(": ")[1].split(" ")[0])
    assert answers[0] == answers[1] == str(load_digits("test").targets[0])


def test_export_and_verify(tfmodels: Command, trained: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    arguments = ("--preset", "tflite_float32", "--output", output)
    assert tfmodels("export", trained / "run", *arguments)[0] == 0
    assert (output / "manifest.json").exists()
    code, out, _ = tfmodels("verify", output)
    assert code == 0
    assert "keras" in out
    assert "tflite" in out


def test_verify_says_by_how_much_a_bound_is_exceeded(
    tfmodels: Command, trained: Path, tmp_path: Path
) -> None:
    run, output = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained / "run", run)
    config = run / "config.yaml"
    strict = config.read_text().replace("min_agreement: 0.9", "min_agreement: 1.0")
    config.write_text(strict.replace("drop: 0.1", "drop: 0.0"))
    arguments = ("--preset", "tflite_int8", "--output", output)
    assert tfmodels("export", run, *arguments)[0] == 0
    code, out, err = tfmodels("verify", output)
    assert code == 1
    assert "tflite" in out
    assert "export.min_agreement" in err or "export.max_accuracy_drop" in err


def test_data_prepared_is_data_that_trains(tfmodels: Command, tmp_path: Path) -> None:
    code, out, _ = tfmodels("data", "prepare", "digits", "--output", tmp_path / "d")
    assert code == 0
    section = {line.split(": ")[0].strip() for line in out.splitlines()[1:]}
    assert {"kind", "path", "batch_size"} <= section
    source = f"data={{kind: image_folder, path: {tmp_path / 'd'}, batch_size: 64}}"
    code, out, _ = tfmodels("data", "check", "googlenet/tiny", "--set", source)
    assert code == 0
    assert "1437" in out.replace(",", "")


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
    tfmodels: Command, trained: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "[bold]" / "[" / "red]"
    folder.mkdir(parents=True)
    picture = digit_png(folder)
    code, out, _ = tfmodels("predict", trained / "run", picture)
    assert code == 0
    assert out.startswith(f"{picture}: ")
