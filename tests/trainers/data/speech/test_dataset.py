"""Batches of speech: from a manifest of tones and from connected digits."""

import json
from collections import Counter

import numpy as np
import pytest

from tests.trainers.data.speech.corpora import tone
from tests.trainers.data.speech.corpora import write_manifest
from tests.trainers.data.speech.corpora import write_wave
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.speech.config import SpeechManifestData
from trainers.data.speech.dataset import speech_dataset
from trainers.data.speech.sources import open_speech
from trainers.data.speech.transcripts import open_transcripts
from trainers.interfaces import Shard

BUCKETS = [{"frames": 40, "units": 12}, {"frames": 80, "units": 20}]


@pytest.fixture(scope="module")
def manifest(tmp_path_factory):
    return write_manifest(tmp_path_factory.mktemp("manifest"))


def config(manifest, **changes):
    values = {
        "manifest": str(manifest),
        "batch_size": 4,
        "sample_rate": 8000,
        "mel_bins": 40,
        "buckets": BUCKETS,
    }
    return SpeechManifestData.parse({**values, **changes})


@pytest.fixture(scope="module")
def source(manifest):
    return open_speech(config(manifest))


def batches(source, data, split="train", steps=None, **options):
    found = speech_dataset(source, data, split, **options)
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in found.take(-1 if steps is None else steps)
    ]


def lines(manifest):
    return [json.loads(line) for line in manifest.read_text("utf-8").splitlines()]


def test_a_training_epoch(manifest, source) -> None:
    data = config(manifest)
    split = source.split("train")
    sizes = [np.count_nonzero(split.bucket == bucket) for bucket in range(2)]
    assert source.steps_per_epoch == sum(-(-size // 4) for size in sizes)
    seen: Counter[int] = Counter()
    entries = lines(manifest)
    for batch in batches(source, data, steps=source.steps_per_epoch):
        frames, units = batch["features"].shape[1], batch["label"].shape[1]
        assert (frames, units) in {(40, 12), (80, 20)}
        assert batch["features"].dtype == np.float32
        assert {batch[n].dtype.name for n in ("lengths", "target", "label")} == {
            "int32"
        }
        assert {batch[n].dtype.name for n in ("index", "epoch", "seed")} == {"int64"}
        assert batch["seed"].shape == (4, 2)
        for row, index in enumerate(batch["index"]):
            entry = entries[index]
            label, target = batch["label"][row], batch["target"][row]
            real = label != 0
            name = entry["dialect"]
            wanted = source.graphemes.label(entry["text"], name)
            assert label[real].tolist() == wanted
            assert target[real].tolist() == [1, *wanted[:-1]]
            assert not target[~real].any()
            number = source.graphemes.number(name)
            assert batch["variety_id"][row] == number
            assert set(batch["variety_label"][row, real]) == {number}
            assert set(batch["weight"][row, real]) <= {0.0, 1.0}
            assert not batch["weight"][row, ~real].any()
            assert not batch["features"][row, batch["lengths"][row] :].any()
            assert batch["features"][row, : batch["lengths"][row]].all(axis=1).any()
            seen[int(index)] += int(batch["weight"][row].max())
    assert [seen[i] for i in range(20)] == [1] * 20


def test_features_are_those_of_the_recording(manifest, source) -> None:
    data = config(manifest)
    for batch in batches(source, data, "test"):
        for row, index in enumerate(batch["index"]):
            number = int(index) + 20
            samples = np.float32(tone(300 + 50 * number, 0.2 + 0.03 * number))
            samples = np.trunc(samples)[None] / 32768
            features = source.front_end.log_mel(samples)
            length = features.shape[1]
            assert batch["lengths"][row] == length
            np.testing.assert_allclose(
                batch["features"][row, :length], features[0], atol=1e-4
            )


def test_stored_features_are_those_made_anew(manifest, source) -> None:
    data = config(manifest, cache_megabytes=0)
    streamed = open_speech(data)
    assert source.split("train").features().is_stored
    assert not streamed.split("train").features().is_stored
    for one, other in zip(
        batches(source, data, steps=7), batches(streamed, data, steps=7), strict=True
    ):
        assert one.keys() == other.keys()
        for name in one:
            np.testing.assert_allclose(one[name], other[name], atol=1e-4)


def test_an_evaluation_leaves_nothing_out(manifest) -> None:
    data = config(manifest, buckets=[{"frames": 10, "units": 6}])
    with pytest.raises(DataError, match=r"no utterance is left.*data.buckets"):
        open_speech(data).split("train")
    data = config(manifest, buckets=[{"frames": 40, "units": 12}])
    found = batches(open_speech(data), data, "test", seed=5)
    seen = [i for b in found for i in b["index"][b["weight"].max(axis=1) > 0]]
    assert sorted(seen) == list(range(5))
    told = np.concatenate([batch["variety"] for batch in found])
    assert set(np.unique(told)) == {0.0, 1.0}


def test_what_the_model_is_told(manifest, source) -> None:
    data = config(manifest, uniform_variety=0.3)
    told, right = [], []
    for batch in batches(source, data, steps=100):
        told.append(batch["variety"])
        right.append(batch["variety_id"])
    told, right = np.concatenate(told), np.concatenate(right)
    np.testing.assert_allclose(told.sum(axis=1), 1, atol=1e-6)
    uniform = np.isclose(told.max(axis=1), 1 / 3)
    assert 0.2 < uniform.mean() < 0.4
    assert np.array_equal(told.argmax(axis=1)[~uniform], right[~uniform])


def test_replicas_and_resumption(manifest, source) -> None:
    data = config(manifest, spec_augment="SM")
    whole = batches(source, data, steps=5, seed=3)
    (resumed,) = batches(source, data, steps=1, seed=3, start=4)
    for name, value in resumed.items():
        np.testing.assert_array_equal(value, whole[4][name])
    shard = Shard(index=1, count=2, replicas=2)
    for part, batch in zip(
        batches(source, data, steps=5, seed=3, shard=shard), whole, strict=True
    ):
        for name, value in part.items():
            np.testing.assert_allclose(value, batch[name][2:], atol=1e-5)
    plain = batches(source, config(manifest), steps=5, seed=3)
    assert any(
        np.any(a["features"] != b["features"])
        for a, b in zip(whole, plain, strict=True)
    )
    own = Shard(index=0, count=2, own=True)
    seen = {i for b in batches(source, data, steps=8, shard=own) for i in b["index"]}
    assert {i % 6 % 2 for i in seen} == {0}


def test_statistics(manifest, source) -> None:
    split = source.split("train")
    frames = []
    for number in np.flatnonzero(split.bucket >= 0):
        features, _ = source.front_end.open(str(manifest.parent / f"{number}.wav"))
        frames.append(features[0].numpy())
    frames = np.concatenate(frames)
    mean, deviation = source.statistics()
    np.testing.assert_allclose(mean, frames.mean(axis=0), atol=1e-3)
    spread = frames.std(axis=0)
    np.testing.assert_allclose(deviation, np.where(spread < 1e-3, 1, spread), atol=1e-3)
    few, _ = source.statistics(max_utterances=3)
    assert np.any(np.abs(few - mean) > 1e-3)


def test_the_table_is_written_and_read(manifest, tmp_path) -> None:
    path = tmp_path / "graphemes.json"
    data = config(manifest, graphemes=str(path), keep_case=["de"])
    made = open_speech(data).graphemes
    assert "Z" in made.alphabets["de"]
    assert "Z" not in made.alphabets["en"]
    assert open_speech(data).graphemes == made
    with pytest.raises(DataError, match=r"of other data.*data.varieties"):
        open_speech(
            data.model_copy(update={"varieties": ("de", "en-gb", "en-us")[::-1]})
        )
    with pytest.raises(DataError, match=r"other units.*data.pieces: 4.*Received 0"):
        open_speech(data.model_copy(update={"pieces": 4}))
    spelled = open_speech(data).split("test").labels
    path.unlink()
    pieces = open_speech(data.model_copy(update={"pieces": 4}))
    assert pieces.graphemes.size == made.size + 4
    assert pieces.split("test").labels.lengths.sum() < spelled.lengths.sum()
    with pytest.raises(DataError, match=r"other units.*data.pieces: 0.*Received 4"):
        open_speech(data)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"graphemes.json.*Expected JSON"):
        open_speech(data)


def test_bad_input_is_named(manifest, tmp_path) -> None:
    good = lines(manifest)[20]
    path = tmp_path / "m.jsonl"

    def opened(*changes, **options):
        entries = [
            {**good, "utt": str(n), "audio": str(manifest.parent / good["audio"])}
            | {"split": "train"}
            | change
            for n, change in enumerate(changes)
        ]
        path.write_text("\n".join(map(json.dumps, entries)), encoding="utf-8")
        made = open_speech(config(path, test=None, **options))
        return made.split("train").features()

    with pytest.raises(DataError, match=r"of no variety.*dialect.*Received None"):
        opened({"dialect": None})
    with pytest.raises(DataError, match=r"^0: the variety 'de'.*Expected one of en-us"):
        opened({"dialect": "de"}, varieties=["en-us"])
    with pytest.raises(DataError, match=r"of two languages.*en.*fr"):
        opened({}, {"lang": "fr"})
    with pytest.raises(
        DataError, match=r"split train is empty.*Received the splits dev"
    ):
        opened({"split": "dev"})
    for name, samples in (("empty", []), ("short", np.ones(100))):
        write_wave(tmp_path / f"{name}.wav", samples)
        wrong = {"audio": f"{name}.wav", "dur_s": None}
        with pytest.raises(DataError, match="no utterance is left"):
            opened(wrong)
    (tmp_path / "text.wav").write_text("RIFF of no kind")
    with pytest.raises(DataError, match=r"text.wav.*Expected"):
        opened({"audio": "text.wav", "dur_s": 0.5})
    with pytest.raises(DataError, match=r"no such sound.*dur_s"):
        opened({"offset_s": 0.3, "dur_s": 0.79})


def test_what_cannot_be_read_counts_as_nothing(manifest, tmp_path, caplog) -> None:
    """With a budget: of a line with a length and of one without it."""
    entries = [
        {**e, "audio": str(manifest.parent / e["audio"])} for e in lines(manifest)
    ]
    bad = {1, 2}
    assert [entries[n]["dur_s"] is None for n in sorted(bad)] == [False, True]
    (tmp_path / "text.wav").write_text("not audio at all")
    paths = {name: tmp_path / f"{name}.jsonl" for name in ("bad", "clean")}
    wrong = [
        {**e, "audio": "text.wav"} if n in bad else e for n, e in enumerate(entries)
    ]
    clean = [e for n, e in enumerate(entries) if n not in bad]
    for path, some in zip(paths.values(), (wrong, clean), strict=True):
        path.write_text("\n".join(map(json.dumps, some)), encoding="utf-8")
    found = {}
    for megabytes in (1024, 0):
        data = config(
            paths["bad"],
            max_bad_fraction=0.5,
            cache_megabytes=megabytes,
            buckets=BUCKETS,
        )
        opened = open_speech(data)
        caplog.clear()
        counted = Counter()
        for batch in batches(opened, data, steps=opened.steps_per_epoch):
            assert np.isfinite(batch["features"]).all()
            for row, index in enumerate(batch["index"]):
                is_bad = int(index) in bad
                counted[bool(batch["bad"][row])] += batch["weight"][row].any() or is_bad
                assert is_bad or not batch["bad"][row]
                assert batch["features"][row].any() != is_bad
                assert not (is_bad and batch["weight"][row].any())
        assert counted[True] == len(bad)
        found[megabytes] = opened.statistics()
        assert "u1 counts as nothing" in caplog.text
    wanted = open_speech(config(paths["clean"])).statistics()
    for made in found.values():
        np.testing.assert_allclose(made, wanted, atol=1e-3)


def test_some_varieties_alone_are_learned_from(manifest) -> None:
    data = config(manifest, learned_varieties=["en-us"], sampling_temperature=2.0)
    opened = open_speech(data)
    assert len(opened.graphemes.varieties) == 3
    own = {n for n, e in enumerate(lines(manifest)[:20]) if e["dialect"] == "en-us"}
    seen = [b["index"] for b in batches(opened, data, steps=opened.steps_per_epoch)]
    assert set(np.concatenate(seen)) == own
    tested = [b["variety_id"] for b in batches(opened, data, "test")]
    assert set(np.concatenate(tested)) == {0, 1, 2}
    said = open_transcripts(data, "train", 30)
    assert said.size == len(own)
    for wrong in (["en-us", "fr"], ["fr"]):
        with pytest.raises(DataError, match=r"learned_varieties.*de, en-gb, en-us.*fr"):
            open_speech(config(manifest, learned_varieties=wrong)).split("train")


def test_recordings_that_users_name(source, tmp_path) -> None:
    path = tmp_path / "a.wav"
    write_wave(path, tone(500, 0.5, 22_050), 22_050)
    features, lengths = source.front_end.open(str(path))
    assert lengths.numpy().tolist() == [48]
    assert features.shape == (1, 48, 40)
    wrong = {"silent": np.zeros(4000), "too long": tone(500, 0.9), "too short": [1, 2]}
    for reason, samples in wrong.items():
        write_wave(path, samples)
        with pytest.raises(DataError, match=f"a.wav is {reason}.*Expected.*Received"):
            source.front_end.open(str(path))


def test_configurations_that_cannot_be(manifest) -> None:
    with pytest.raises(ConfigError, match=r"not in order.*\[40, 12\] after \[80, 20\]"):
        config(manifest, buckets=BUCKETS[::-1])
    with pytest.raises(ConfigError, match="mel bands do not fit"):
        config(manifest, upper_hz=5000.0)
    with pytest.raises(ConfigError, match="spec_augment"):
        config(manifest, spec_augment="XX")
    assert config(manifest, spec_augment={"time_share": 0.5}).masks.time_share == 0.5
