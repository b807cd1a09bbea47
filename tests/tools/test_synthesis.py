"""Saying texts at the command line, and what is said of texts that cannot be."""

import wave

import numpy as np
import pytest

from export.loading import with_changes
from tests.tools.conftest import Command
from tests.tools.test_translation_benchmarks import needs
from tests.trainers.speaking import synthesiser
from tests.trainers.speaking import write_voices
from tests.trainers.tasks.test_language_models import write_run
from tests.trainers.tasks.test_vocoding import MODEL as WAVERNN
from tests.trainers.tasks.test_vocoding import vocoder
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools.benchmark import BENCHMARKS
from tools.benchmark.synthesis_speed import Sizes
from tools.benchmark.synthesis_speed import synthesis_speed
from trainers.configuration import load_experiment


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose model says something, whatever it is."""
    folder = tmp_path_factory.mktemp("voices")
    experiment = synthesiser(write_voices(folder))
    write_run(folder / "run", experiment, seed=1)
    return folder / "run"


def samples(path) -> np.ndarray:
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels()) == (22_050, 1)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2")


BAD = {
    "unknown speaker": (("abc", "--speaker", "nobody"), ConfigError, "s0, s1, s2"),
    "unknown language": (("abc", "--language", "xx"), ConfigError, "--accent"),
    "unknown accent": (("abc", "--accent", "xx"), ConfigError, "de, es"),
    "a share that is none": (("abc", "--speaker", "s0:x"), ConfigError, "above 0"),
    "no known symbol": (("123?",), DataError, "some symbol that the model knows"),
    "an empty line": (("",), DataError, "nothing to say"),
    "a space": ((" ",), DataError, "nothing to say"),
    "two inputs, one file": (("a", "b", "-o", "x.wav"), ConfigError, "one input"),
}


def test_texts_that_cannot_be_said(tfmodels: Command, run) -> None:
    for name, (arguments, error, reason) in BAD.items():
        code, _, err = tfmodels("predict", run, *arguments)
        assert code == error.exit_code, (name, err)
        assert reason in err
        assert "xpected" in err
        assert "eceived" in err
        assert "Traceback" not in err


@pytest.mark.slow
def test_a_mixture_a_long_text_and_parts(tfmodels: Command, run, tmp_path) -> None:
    path = tmp_path / "a.wav"
    voice = ("--speaker", "s0:1,s2:3", "--accent", "es", "-o", path)
    code, out, err = tfmodels("predict", run, "cab!", *voice)
    assert code == 0, err
    assert "unknown symbols: !" in out
    one = samples(path)
    # Two thousand characters end in bounded time, at most what their pieces may have.
    text = "abc cab, bac. " * 143
    code, out, err = tfmodels("predict", run, text[:2000], "-o", path)
    assert code == 0, err
    assert len(one) < len(samples(path)) < 256 * (20 * 2 * 2000 + 100 * 500)
    code, out, err = tfmodels("predict", run, "abc. cab", "--stream", "-o", path)
    assert code == 0, err
    assert len(out.strip().splitlines()) >= 2
    streamed = samples(path)
    code, out, err = tfmodels("predict", run, "abc. cab", "-o", path)
    assert len(streamed) == len(samples(path)) > 0


@pytest.mark.slow
def test_standard_output_has_the_samples_alone(run, capfdbinary, monkeypatch) -> None:
    from tools import cli

    command = ["tfmodels", "predict", str(run), "abc", "--stream", "-o", "-"]
    monkeypatch.setattr("sys.argv", command)
    with pytest.raises(SystemExit):
        cli.main()
    captured = capfdbinary.readouterr()
    assert len(captured.out) > 256
    assert len(captured.out) % 512 == 0
    assert b"s of speech" in captured.err


@pytest.mark.slow
def test_the_benchmark_runs_at_a_size_that_says_nothing() -> None:
    needs("torch", "torch")
    sizes = Sizes(8, 4, 6, 6, 4, 2, 3, symbols=5)
    found = synthesis_speed(rounds=1, steps=2, sizes=sizes)
    assert found["benchmark"] in BENCHMARKS
    assert found["real_time_factor"].keys() == {"tensorflow", "tflite"}
    assert found["seconds_of_speech"] == pytest.approx(580 * 256 / 22_050, 0.02)
    assert found["decoder_step"].keys() == {"float32", "int8"}
    for step in found["decoder_step"].values():
        assert step["over_peer"]["ours"] > 0


def test_a_vocoder_of_other_spectra(tfmodels: Command, run) -> None:
    data = load_experiment(run / "config.yaml").data.plain()
    other = vocoder(
        {**data, "front_end": "s18"},
        model={**WAVERNN, "mel_bins": 80, "upsampling": [15, 20]},
    )
    write_run(run.parent / "other", other, seed=1)
    change = f"task.vocoder={run.parent / 'other'}"
    code, _, err = tfmodels("predict", run, "abc", "--set", change)
    assert code == ConfigError.exit_code
    assert "other spectra than the model" in err
    assert "s18" in err


def test_the_voice_of_an_artefact_is_still_open(run) -> None:
    experiment = load_experiment(run / "config.yaml")
    changed = with_changes(run, experiment, ["task.speaker=s2", "task.accent=es"])
    assert (changed.task.speaker, changed.task.accent) == ("s2", "es")
    with pytest.raises(ConfigError, match=r"is fixed. Expected .*task.speaker.*seed=1"):
        with_changes(run, experiment, ["run.seed=1"])
