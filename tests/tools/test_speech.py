"""Manifests that the command writes are read by the section that it prints."""

import functools
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.tools.test_kaldi import run
from tests.trainers.data.speech.corpora import tone
from tests.trainers.data.speech.corpora import write_digits
from tests.trainers.data.speech.corpora import write_manifest
from tests.trainers.data.speech.corpora import write_wave
from tests.trainers.data.speech.test_connected_digits import REAL
from tests.trainers.data.speech.test_recordings import wav
from tests.trainers.tasks.test_speech_recognition import TONES
from tests.trainers.tasks.test_speech_recognition import task_of
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tools import data
from tools import predict
from trainers.configuration import read_yaml
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.config import SpeechManifestData
from trainers.data.speech.digit_clips import ENGLISH
from trainers.data.speech.digit_clips import list_clips
from trainers.data.speech.digit_clips import read_clips
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.manifest import read_manifest
from trainers.data.speech.recordings import read_sound
from trainers.data.speech.sources import open_speech
from trainers.tasks.transcripts import NO_WORDS
from trainers.tasks.transcripts import Transcript
from trainers.tasks.transcripts import Transcripts


def test_digits_become_a_manifest(tmp_path: Path, capsys) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    write_digits(source, numbers=6)
    printed = run("prepare", "fsdd", "--source", source, "--output", tmp_path / "out")
    section = printed[printed.index("data:") :]
    config = SpeechManifestData.parse(read_yaml(section, "printed")["data"])
    opened = open_speech(config)
    assert opened.references("train")[:2] == ["zero", "zero"]
    assert len(opened.utterances("test")) == 100
    names = [variety.name for variety in opened.graphemes.varieties]
    assert names == ["en-gr", "en-us"]
    assert data._check_recordings(config) == 0
    (source / "3_theo_5.wav").write_bytes(b"")
    capsys.readouterr()
    assert data._check_recordings(config) == 1
    assert "3_theo_5" in capsys.readouterr().out


def test_quiet_ends_are_left_out(tmp_path: Path) -> None:
    """The manifest says where there is sound; recordings stay as they are."""
    source = tmp_path / "recordings"
    source.mkdir()
    sound = np.concatenate([np.zeros(2400), tone(500, 0.4), np.zeros(4000)])
    for number in (0, 9):
        write_wave(source / f"3_theo_{number}.wav", sound)
    options = ("--source", source, "--output", tmp_path / "out", "--trim-silence", 30)
    run("prepare", "fsdd", *options)
    entries = read_manifest(tmp_path / "out" / "manifest.jsonl")
    assert len(entries) == 2
    for entry in entries:
        assert entry.offset_s == pytest.approx(0.25, abs=0.011)
        assert entry.dur_s == pytest.approx(0.5, abs=0.021)
        heard, _ = read_sound(Path(entry.audio), entry.offset_s, entry.dur_s)
        assert np.square(heard).sum() == pytest.approx(
            np.square(sound / 32768).sum(), rel=1e-3
        )
    with pytest.raises(ConfigError, match="no --trim-silence"):
        run("prepare", "connected_digits", *options)


def test_ends_are_faded_in_copies(tmp_path: Path) -> None:
    """As tensorflow-io does it, behind what silence was left out."""
    source, output = tmp_path / "recordings", tmp_path / "out"
    source.mkdir()
    steady = np.full(4000, 16000)
    steady[1::2] *= -1
    sound = np.concatenate([np.zeros(2400), steady, np.zeros(4000)])
    write_wave(source / "3_theo_0.wav", sound)
    before = (source / "3_theo_0.wav").read_bytes()
    options = ("--source", source, "--output", output, "--trim-silence", 30)
    run("prepare", "fsdd", *options, "--fade", 100)
    (entry,) = read_manifest(output / "manifest.jsonl")
    assert (source / "3_theo_0.wav").read_bytes() == before
    assert entry.offset_s == 0.0
    heard, rate = read_sound(Path(entry.audio), entry.offset_s, entry.dur_s)
    assert rate == 8000
    # 50 ms of silence stay: the sound begins in the middle of 100 ms.
    margin = round(0.25 * 8000) - 2400 + 800
    rising = np.abs(heard[margin : margin + 300]) / (16000 / 32768)
    assert rising[0] == pytest.approx(margin / 800, abs=0.02)
    np.testing.assert_allclose(np.diff(rising), 1 / 799, atol=1e-3)
    assert np.abs(heard[1000:3000]).max() == pytest.approx(16000 / 32768, rel=1e-3)
    with pytest.raises(ConfigError, match="no --trim-silence and no --fade"):
        run("prepare", "connected_digits", *options[:4], "--fade", 100)


def test_fades_need_tensorflow_io(tmp_path: Path, monkeypatch) -> None:
    source = tmp_path / "recordings"
    source.mkdir()
    write_wave(source / "3_theo_0.wav", tone(500, 0.4))
    monkeypatch.setitem(sys.modules, "tensorflow_io", None)
    options = ("--source", source, "--output", tmp_path / "out")
    with pytest.raises(DataError, match=r"tfmodels\[io\]"):
        run("prepare", "fsdd", *options, "--fade", 10)
    assert not (tmp_path / "out").exists()


def test_a_folder_is_needed(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Expected --source"):
        run("prepare", "librispeech", "--output", tmp_path)


def test_dialects_of_tones_contradict_each_other_in_four_words(tmp_path: Path) -> None:
    printed = run("prepare", "tones", "--output", tmp_path)
    section = read_yaml(printed[printed.index("data:") :], "printed")["data"]
    config = ConnectedDigitsData.parse({**section, "words": [1, 1]})
    clips = read_clips(list_clips(config), FrontEnd(config))
    found: dict[str, dict[str, tuple[float, ...]]] = {"north": {}, "south": {}}
    for file, begin, end in zip(
        clips.files, clips.offsets, clips.offsets[1:], strict=False
    ):
        halves = np.array_split(clips.samples[begin:end], 2)
        found[file.accent][file.word] = tuple(map(_nearest_hz, halves))
    north, south = found["north"], found["south"]
    assert len(set(north.values())) == 10
    exchanged = {"zero": "one", "one": "zero", "two": "three", "three": "two"}
    assert south == {word: north[exchanged.get(word, word)] for word in ENGLISH}
    names = {path.name[0] for path in (tmp_path / "exchanged").glob("*.wav")}
    assert names == set("0123")


def _nearest_hz(samples: np.ndarray) -> float:
    heard = np.abs(np.fft.rfft(samples)).argmax() * 8000 / len(samples)
    return min((400.0, 640.0, 1000.0, 1560.0, 2400.0), key=lambda hz: abs(hz - heard))


BAD = {
    "empty": (wav(np.ones([0, 1])), "holds no sound. Expected speech"),
    "nothing": (b"", "Expected"),
    "silent": (wav(np.zeros([4000, 1])), "is silent. Expected speech"),
    "brief": (wav(tone(500, 0.01)[:, None]), "too short. Expected from 1"),
    "long": (wav(tone(500, 1.5)[:, None]), "too long. Expected from 1 to 100 frames"),
    "cut": (wav(tone(500, 0.5)[:, None])[:-100], "ends 50 samples too early"),
    "text": (b"not audio at all", "Expected"),
}


@pytest.mark.slow
def test_recordings_of_all_kinds(tfmodels, tmp_path, monkeypatch) -> None:
    """Other rates, channels and widths are converted; what cannot be used is named."""
    task = task_of(write_manifest(tmp_path))
    answer = functools.partial(task.predict, task.build_model())
    monkeypatch.setattr(predict, "_run", lambda *_: answer)
    sound, fast = np.rint(tone(500, 0.5)), tone(500, 0.5, 16_000)
    kinds = {
        "plain": wav(sound[:, None]),
        "rate": wav(fast[:, None], rate=16_000),
        "stereo": wav(np.stack([sound, sound], -1)),
        "wide": wav(256 * sound[:, None], bits=24),
    }
    for name, content in kinds.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
    files = [tmp_path / f"{name}.wav" for name in kinds]
    code, out, err = tfmodels("predict", tmp_path, *files, "--nbest", "3")
    assert code == 0, err
    tables = [part.split("\n")[1:7] for part in out.split(f"{tmp_path}/")[1:]]
    scores = [[float(line.split()[0]) for line in table[::2]] for table in tables]
    assert len(scores[0]) == 3
    for other, precision in zip(scores[1:], (0.5, 1e-4, 1e-4), strict=True):
        np.testing.assert_allclose(other, scores[0], atol=precision)
    for name, (content, reason) in BAD.items():
        path = tmp_path / f"{name}.wav"
        path.write_bytes(content)
        code, _, err = tfmodels("predict", tmp_path, path)
        assert code == DataError.exit_code, name
        assert f"{name}.wav" in err
        assert reason in err
        assert "Received" in err
        assert "Traceback" not in err


def test_bad_speech_is_counted_and_explained(tfmodels, tmp_path) -> None:
    """A check names all that is bad and goes on; training ends at it."""
    manifest = write_manifest(tmp_path)
    lines = [json.loads(line) for line in manifest.read_text().splitlines()]
    sound = tone(500, 0.5)[:, None]
    stereo = np.repeat(tone(500, 0.5, 16_000)[:, None], 2, axis=1)
    extra = {
        **{name: (content, {}) for name, (content, _) in BAD.items()},
        "fine": (wav(stereo, rate=16_000), {}),
        "spelled": (wav(sound), {"text": "abß"}),
        "foreign": (wav(sound), {"dialect": "fr"}),
    }
    for name, (content, changes) in extra.items():
        (tmp_path / f"{name}.wav").write_bytes(content)
        entry = {**lines[-1], "utt": name, "audio": f"{name}.wav", "dur_s": None}
        lines.append({**entry, **changes})
    values = read_yaml(TONES, "tones")
    values["data"]["manifest"] = str(manifest)
    config = tmp_path / "tones.json"
    config.write_text(json.dumps(values))
    run = ("train", config, "--workdir", tmp_path / "run")
    for believed, reason in {
        "{fr: 1}": "names varieties that the data have not. Expected some of de,",
        "{de: 0}": "greater than 0",
    }.items():
        code, _, err = tfmodels(*run, "--set", f"task.believed={believed}")
        assert code == ConfigError.exit_code
        assert reason in " ".join(err.split())
    manifest.write_text("\n".join(map(json.dumps, lines)))
    code, out, _ = tfmodels("data", "check", config)
    said = " ".join(out.split())
    assert code == DataError.exit_code
    bad = {*extra} - {"fine", "long"}
    assert set(re.findall(r"test: (\w+): ", said)) == bad
    assert "1 are resampled, 1 of several channels, 0 clipped, 1 longer" in said
    assert "not in the table of graphemes. Expected those of the training" in said
    assert (
        "Expected the key dialect to be one of de, en-gb, en-us. Received 'fr'" in said
    )
    code, _, err = tfmodels(*run)
    assert code == DataError.exit_code
    assert "Received" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_run_goes_on_as_the_budget_says(tfmodels, tmp_path) -> None:
    """One of twenty utterances is no sound; it is named, counted, and nothing more."""
    values = read_yaml(TONES, "tones")
    values["data"]["manifest"] = str(write_manifest(tmp_path))
    values["run"] = {"steps": 8, "log_every": 8, "checkpoint_every": 8}
    config = tmp_path / "tones.json"
    config.write_text(json.dumps(values))
    (tmp_path / "3.wav").write_text("not audio at all")
    run = tmp_path / "run"
    code, _, err = tfmodels("train", config, "--workdir", run)
    assert code == DataError.exit_code
    assert "3.wav" in err
    allowed = ("--set", "data.max_bad_fraction=0.01")
    code, _, err = tfmodels("train", config, "--workdir", tmp_path / "other", *allowed)
    assert code == 0, err
    line = (tmp_path / "other" / "metrics.jsonl").read_text().splitlines()[0]
    assert 0 < json.loads(line)["train/bad_examples"] < 0.2
    assert json.loads(line)["train/loss"] > 0


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL / "fsdd").is_dir(), reason="no recordings below $TFMODELS_DATA"
)
def test_people_are_understood_while_they_speak(tfmodels, tmp_path) -> None:
    """Three digits of a person, from the command, by a model of a few steps."""
    digits, run = REAL / "fsdd" / "recordings", tmp_path / "run"
    settings = {
        "data.english": digits,
        "data.train_utterances": 64,
        "data.test_utterances": 4,
        "data.batch_size": 4,
        "data.buckets": "[{frames: 400, units: 40}]",
        "model.encoder": "{num_layers: 1, hidden_dim: 16, pair_after: [1]}",
        "model.attention": "{heads: 2, width: 8, context_dim: 16}",
        "model.decoder": "{num_layers: 1, hidden_dim: 16, embedding_dim: 8}",
        # Nothing ends before its limit: the model has learned too little to.
        "task.search.end_margin": 0,
        "task.search.beam_width": 2,
        "run.steps": 4,
        "run.xla": "false",
    }
    changes = [f"{key}={value}" for key, value in settings.items()]
    options = [part for change in changes for part in ("--set", change)]
    code, _, err = tfmodels(
        *("train", "multidialect_asr/fsdd", "--workdir", run, *options)
    )
    assert code == 0, err
    spoken = [read_sound(digits / f"{digit}_theo_0.wav")[0] for digit in (7, 2, 9)]
    path = tmp_path / "three.wav"
    path.write_bytes(wav(np.rint(32767 * np.concatenate(spoken))[:, None]))
    code, out, err = tfmodels("predict", run, path, "--stream")
    assert code == 0, err
    partials = [part.strip() for part in out.split(f"{path}:")[1:]]
    assert len(partials) > 2
    assert any("[" in partial for partial in partials[:-1])
    # The last one is what the whole says, with nothing known of the speaker.
    mixture = ("--set", "task.unknown_variety=mixture")
    code, out, err = tfmodels("predict", run, path, *mixture)
    assert code == 0, err
    assert partials[-1] == out.split(f"{path}:")[1].strip() != NO_WORDS
    code, _, err = tfmodels("predict", run, tmp_path / "none.wav", "--stream")
    assert code == DataError.exit_code
    assert "none.wav" in err


def test_what_is_printed_where_nothing_is_heard(
    tfmodels, tmp_path, monkeypatch
) -> None:
    one = Transcript("", -1.0, -2.0, "en", 0.5, ())
    for found, said in (((), "nothing was found"), ((one,), "no words were heard")):
        answer = Transcripts(found)
        monkeypatch.setattr(predict, "_run", lambda *_, answer=answer: lambda _: answer)
        for options in ([], ["--nbest", "2"]):
            code, out, _ = tfmodels("predict", tmp_path, "a.wav", *options)
            assert code == 0
            assert said in out
