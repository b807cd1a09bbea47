"""Connected digits: what they are joined of, heard again in the sound."""

import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tests.trainers.data.speech.corpora import RATE
from tests.trainers.data.speech.corpora import tone
from tests.trainers.data.speech.corpora import write_digits
from tests.trainers.data.speech.corpora import write_wave
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.speech.config import ConnectedDigitsData
from trainers.data.speech.connected_digits import open_digits
from trainers.data.speech.dataset import speech_dataset
from trainers.data.speech.digit_clips import ARABIC
from trainers.data.speech.digit_clips import ENGLISH
from trainers.data.speech.digit_clips import arabic_clips
from trainers.data.speech.digit_clips import english_clips
from trainers.data.speech.digit_clips import list_clips
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.sources import open_speech

REAL = Path(os.environ.get("TFMODELS_DATA", "nowhere"))
SIZES = {"batch_size": 4, "train_utterances": 30, "test_utterances": 10}


@pytest.fixture(scope="module")
def english(tmp_path_factory):
    folder = tmp_path_factory.mktemp("english")
    write_digits(folder)
    return folder


def config(english, **changes):
    return ConnectedDigitsData.parse({"english": str(english), **SIZES, **changes})


def corpus(data, split="train"):
    return open_digits(data, FrontEnd(data))[split]


def sound(made, index, seed=0):
    numbers = tf.constant([index], tf.int64)
    length = made.utterances[index].num_samples
    samples = made.audio(numbers, tf.constant([[seed, seed]], tf.int64), length)
    return samples[0].numpy()


def heard(samples):
    """Words and their first and last samples, of the strongest tone of 20 ms."""
    size = RATE // 50
    parts = samples[: len(samples) // size * size].reshape(-1, size)
    loud = np.square(parts).mean(axis=1) > 1e-3
    hz = np.abs(np.fft.rfft(parts * np.hanning(size))).argmax(axis=1) * RATE / size
    digits = np.where(loud, np.rint((hz - 300) / 200), -1).astype(int)
    edges = np.flatnonzero(np.diff(loud, prepend=False, append=False))
    runs = edges.reshape(-1, 2)
    words = [
        ENGLISH[np.bincount(digits[a:b][digits[a:b] >= 0]).argmax()] for a, b in runs
    ]
    return words, runs * size


def test_what_is_said_is_what_is_written(english) -> None:
    made = corpus(config(english, noise=[0.0, 3.0]))
    counts = set()
    for number, spoken in enumerate(made.utterances):
        words, runs = heard(sound(made, number))
        assert " ".join(words) == spoken.text
        assert spoken.variety == {"george": "en-gr", "theo": "en-us"}[spoken.speaker]
        assert runs[0, 0] in range(RATE // 20 - 160, RATE // 20 + 160)
        pauses = (runs[1:, 0] - runs[:-1, 1]) / RATE
        assert np.all((pauses > 0.05 - 0.04) & (pauses < 0.2 + 0.04))
        counts.add(len(words))
    assert counts == {1, 2, 3, 4}


def test_splits_have_recordings_of_their_own(english) -> None:
    data = config(english, validation_utterances=6)
    assert data.held_out_splits() == ("validation", "test")
    # Below `english` are numbers 0 to 7.
    with pytest.raises(DataError, match=r"split train.*data.english"):
        list_clips(data)
    for has_validation, wanted in (
        (False, {"train": {5, 6, 7}, "test": set(range(5))}),
        (True, {"validation": {5, 6, 7}, "test": set(range(5))}),
    ):
        numbers: dict[str, set[int]] = {}
        for clip in english_clips(english, data.accents, has_validation):
            numbers.setdefault(clip.split, set()).add(int(clip.path.stem[-1]))
        assert numbers == wanted


def test_loudness_and_noise(english) -> None:
    data = config(english, noise=[20.0, 20.0], gain_db=6.0, words=[1, 1])
    made = corpus(data)
    levels, noises = [], []
    for number in range(30):
        samples = sound(made, number) * 32768
        levels.append(np.abs(samples).max())
        noises.append(samples[:300].std())
    np.testing.assert_allclose(np.mean(noises), 20, rtol=0.1)
    decibels = 20 * np.log10(np.array(levels) / 10_000)
    assert -6.5 < decibels.min() < -2
    assert 2 < decibels.max() < 6.5
    made = corpus(config(english, snr_db=[10.0, 10.0], words=[1, 1]))
    for number in range(5):
        samples = sound(made, number)
        ratio = np.square(samples[800:1600]).mean() / np.square(samples[:300]).mean()
        assert 8 < 10 * np.log10(ratio) < 12.5


def test_noise_is_the_same_or_fresh(english) -> None:
    for fresh in (False, True):
        made = corpus(config(english, fresh_noise=fresh))
        first, again, other = (sound(made, 0, seed) for seed in (1, 1, 2))
        np.testing.assert_array_equal(first, again)
        assert np.any(first != other) == fresh
        assert np.abs(first - other).max() < 0.01
        assert not corpus(config(english, fresh_noise=fresh), "test").changes
        assert corpus(config(english)).utterances == made.utterances
    other = corpus(config(english, corpus_seed=1))
    assert other.utterances != made.utterances


@pytest.mark.parametrize("fresh", [False, True])
def test_batches(english, fresh) -> None:
    data = config(english, fresh_noise=fresh)
    source = open_speech(data)
    assert source.split("train").features().is_stored == (not fresh)
    shapes = set()
    for batch in speech_dataset(source, data, "train").take(source.steps_per_epoch):
        shapes.add((batch["features"].shape[1], batch["label"].shape[1]))
        assert batch["features"].shape[::2] == (4, 40)
        for row, index in enumerate(batch["index"].numpy()):
            text = source.graphemes.decode(batch["label"][row].numpy())
            assert text == source.references("train")[index]
    assert shapes == {(132, 14), (240, 26)}


def write_arabic(folder, three=False) -> None:
    tables = {"train": range(1, 6), "val": range(6, 8), "test": range(8, 10)}
    for name in tables if three else ("train", "val"):
        rows = ["file,class" if three else "file,digit,speaker"]
        for speaker in tables[name]:
            for digit in range(10):
                file = f"{digit}_{speaker:08d}_NO_01.wav"
                word = ENGLISH[digit]
                rows.append(
                    f"{file},{word}" if three else f"{file},{digit},{speaker:08d}"
                )
                write_wave(folder / file, tone(400 + 100 * digit, 0.2, 16_000), 16_000)
        if three:
            rows.append("0_00000001_NO_01.wav,backward")
        (folder / f"{name}.csv").write_text("\n".join(rows), encoding="utf-8")


def test_two_languages(english, tmp_path) -> None:
    write_arabic(tmp_path)
    data = config(english, arabic=str(tmp_path), variety="language")
    source = open_speech(data)
    graphemes = source.graphemes
    assert [variety.name for variety in graphemes.varieties] == ["ar", "en"]
    spoken = source.utterances("train")
    for each in spoken:
        words = ARABIC if each.variety == "ar" else ENGLISH
        assert set(each.text.split()) <= set(words)
    assert 0.3 < np.mean([each.variety == "ar" for each in spoken]) < 0.9
    speakers = {e.speaker for e in spoken if e.variety == "ar"}
    tests = {e.speaker for e in source.utterances("test") if e.variety == "ar"}
    assert speakers <= {f"{n:08d}" for n in range(1, 6)}
    assert tests <= {f"{n:08d}" for n in range(6, 8)}


def test_tables_of_arabic_speakers(tmp_path) -> None:
    write_arabic(tmp_path, three=True)
    clips = list(arabic_clips(tmp_path))
    assert len(clips) == 90
    assert {clip.split for clip in clips} == {"train", "validation", "test"}
    assert clips[3].word == "ثلاثة"
    with (tmp_path / "val.csv").open("a", encoding="utf-8") as file:
        file.write("\n0_00000001_NO_01.wav,zero")
    with pytest.raises(DataError, match=r"in two tables.*train.csv.*00000001"):
        list(arabic_clips(tmp_path))
    (tmp_path / "val.csv").write_text("file,class\nx.wav,zero\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"line 2 of .*val.csv is damaged"):
        list(arabic_clips(tmp_path))
    (tmp_path / "val.csv").unlink()
    with pytest.raises(DataError, match=r"val.csv.*data.arabic"):
        list(arabic_clips(tmp_path))


def test_what_cannot_be_made_is_named(english, tmp_path) -> None:
    with pytest.raises(ConfigError, match=r"data.english, data.arabic or both"):
        ConnectedDigitsData.parse(SIZES)
    with pytest.raises(ConfigError, match=r"data.words.*\(0, 3\)"):
        config(english, words=[0, 3])
    with pytest.raises(ConfigError, match=r"lowest, then the highest.*\[5.0, 3.0\]"):
        config(english, noise=[5.0, 3.0])
    with pytest.raises(DataError, match=r"speaker theo.*data.accents"):
        list_clips(config(english, accents={"george": "en-gr"}))
    with pytest.raises(DataError, match="no recordings of digits"):
        list_clips(config(tmp_path))


@pytest.mark.skipif(
    not (REAL / "fsdd").is_dir(), reason="no recordings below $TFMODELS_DATA"
)
def test_real_recordings() -> None:
    data = config(REAL / "fsdd" / "recordings", test_utterances=40)
    made = corpus(data, "test")
    assert {e.variety for e in made.utterances} == {"en-us", "en-be", "en-de", "en-gr"}
    seconds = [e.num_samples / RATE / (1 + e.text.count(" ")) for e in made.utterances]
    assert 0.3 < np.mean(seconds) < 0.8
    assert np.abs(sound(made, 0)).max() > 0.02


@pytest.mark.slow
@pytest.mark.skipif(
    not (REAL / "arabic_digits").is_dir(), reason="no recordings below $TFMODELS_DATA"
)
def test_real_arabic_recordings_are_trimmed() -> None:
    pytest.importorskip("soundfile", reason="FLAC needs tfmodels[sound]")
    data = config(
        REAL / "fsdd" / "recordings",
        arabic=str(REAL / "arabic_digits"),
        variety="language",
        words=[1, 3],
        train_utterances=200,
        buckets=[{"frames": 300, "units": 30}],
        validation_utterances=20,
    )
    source = open_speech(data)
    assert len(source.graphemes.characters) == 34
    assert {v.name for v in source.graphemes.varieties} == {"ar", "en"}
    # A recording has 1 s; with pauses, words that are not trimmed would have more.
    seconds = [
        each.num_samples / RATE / (1 + each.text.count(" "))
        for each in source.utterances("train")
        if each.language == "ar"
    ]
    assert 0.4 < np.mean(seconds) < 0.85
    speakers = [
        {e.speaker for e in source.utterances(s) if e.language == "ar"}
        for s in ("train", "validation", "test")
    ]
    assert not (speakers[0] & speakers[1] | speakers[0] & speakers[2])
