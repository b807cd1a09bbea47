"""Connected digits, from generated recordings and from the real ones."""

import itertools
import os
import wave
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.config import SpokenDigitsData
from trainers.data.utterances.dataset import utterance_dataset
from trainers.data.utterances.digits import digits_lexicon
from trainers.data.utterances.sources import open_utterances

REAL = Path(os.environ.get("TFMODELS_DATA", "nowhere"), "fsdd", "recordings")
SPEAKERS = ("ann", "bob", "cy")


def write_wave(path, samples, rate=8000):
    with wave.open(str(path), "w") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.asarray(samples, "<i2").tobytes())


def level(digit, speaker, number):
    """What all samples of a generated recording are, so that it can be recognized."""
    return 2400 * (digit + 1) + 600 * speaker + 60 * number


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Recordings of a tenth of a second and more, each of a constant of its own."""
    path = tmp_path_factory.mktemp("digits")
    for speaker, name in enumerate(SPEAKERS):
        for digit in range(10):
            for number in range(7):
                samples = np.full(800 + 40 * digit, level(digit, speaker, number))
                write_wave(path / f"{digit}_{name}_{number}.wav", samples)
    return path


def config(folder, **changes):
    sizes = {"batch_size": 4, "train_utterances": 12, "test_utterances": 6}
    return SpokenDigitsData(path=str(folder), max_frames=130, **{**sizes, **changes})


@pytest.mark.parametrize(
    ("split", "numbers"), [("train", {5, 6}), ("test", set(range(5)))]
)
def test_utterances_are_recordings_of_one_speaker(folder, split, numbers):
    source = open_utterances(config(folder, test_utterances=12), split)
    parts = source.compose(tf.range(12, dtype=tf.int64))
    heard = set()
    for row, (samples, length, words) in enumerate(
        zip(*map(np.array, parts), strict=True)
    ):
        said = words[words > 0]
        assert 3 <= len(said) <= 6
        # Pauses hiss; what is left are recordings, each a constant.
        sound = 60 * np.round(samples * 32768 / 60).astype(int)
        spoken = [n for n, _ in itertools.groupby(sound) if n]
        assert [n // 2400 for n in spoken] == list(said)
        assert {n % 2400 // 600 for n in spoken} == {row % 3}
        heard |= {n % 600 // 60 for n in spoken}
        assert np.count_nonzero(sound) == sum(800 + 40 * (word - 1) for word in said)
        assert not sound[length:].any()
        assert length - np.count_nonzero(sound) <= 1600 * (len(said) + 1)
    assert heard == numbers


def test_batches(folder):
    source = open_utterances(config(folder), "test")
    batches = list(utterance_dataset(source, config(folder), "test"))
    assert len(batches) == 2
    for batch in batches:
        lengths = batch["lengths"].numpy()
        assert batch["features"].shape == (4, 130, 40)
        assert batch["alignment"].shape == (4, 130)
        assert np.all(batch["alignment"] == -1)
        spoken = np.arange(130) < lengths[:, None]
        features = batch["features"].numpy()
        assert not features[~spoken].any()
        for row, length in enumerate(lengths):
            np.testing.assert_allclose(features[row, :length].mean(0), 0, atol=1e-3)
    assert list(batches[1]["weight"]) == [1, 1, 0, 0]


def test_words_that_do_not_fit_are_left_out(folder):
    whole = open_utterances(config(folder), "train")
    cut = open_utterances(config(folder).model_copy(update={"max_frames": 60}), "train")
    index = tf.range(12, dtype=tf.int64)
    long, short = whole.read(index), cut.read(index)
    assert tf.reduce_max(short["lengths"]) <= 60
    count = np.count_nonzero(short["words"], axis=1)
    assert count.min() >= 1
    assert count.sum() < np.count_nonzero(long["words"])
    for row, words in enumerate(short["words"].numpy()):
        np.testing.assert_array_equal(
            words[: count[row]], long["words"][row, : count[row]]
        )


def test_lexicon():
    lexicon = digits_lexicon()
    assert lexicon.words[8] == "seven"
    (variant,) = lexicon.pronunciations[8]
    phones = [lexicon.phones.names[phone] for phone in variant]
    assert phones == ["S", "EH", "V", "AH", "N"]
    assert len(lexicon.phones.index) == 20


@pytest.fixture
def damaged(folder, tmp_path):
    """A copy of the recordings, to be damaged."""
    for path in folder.glob("*_ann_*.wav"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def test_missing_and_damaged_files_are_named(damaged):
    one = damaged / "4_ann_3.wav"
    content = one.read_bytes()
    write_wave(one, np.zeros(100), rate=16_000)
    with pytest.raises(DataError, match=r"4_ann_3.*16000 Hz"):
        open_utterances(config(damaged), "train")
    for broken in (content[:300], content[:20], b""):
        one.write_bytes(broken)
        with pytest.raises(DataError, match="4_ann_3"):
            open_utterances(config(damaged), "train")
    one.unlink()
    with pytest.raises(DataError, match=r"missing: .*4_ann_3"):
        open_utterances(config(damaged), "train")
    with pytest.raises(DataError, match=r"no recordings in .*data.path"):
        open_utterances(config(damaged / "absent"), "train")


def test_sizes_that_do_not_suit(folder):
    with pytest.raises(ConfigError, match="multiple of the 3 speakers"):
        open_utterances(config(folder, train_utterances=13), "train")
    short = config(folder).model_copy(update={"max_frames": 20})
    with pytest.raises(ConfigError, match=r"max_frames of at least \d\d"):
        open_utterances(short, "train")


@pytest.mark.skipif(not REAL.is_dir(), reason="no recordings below $TFMODELS_DATA")
def test_real_recordings():
    data = SpokenDigitsData(batch_size=12, path=str(REAL))
    source = open_utterances(data, "test")
    assert source.speakers[:2] == ("george", "jackson")
    batch = next(iter(utterance_dataset(source, data, "test")))
    assert batch["features"].shape == (12, 400, 40)
    assert np.all(np.isfinite(batch["features"]))
    assert np.all(np.count_nonzero(batch["words"], axis=1) >= 3)
    seconds = batch["lengths"].numpy() / 100
    words = np.count_nonzero(batch["words"], axis=1)
    assert 0.3 < (seconds / words).mean() < 0.8
