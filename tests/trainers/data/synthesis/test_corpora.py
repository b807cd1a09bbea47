"""Corpora of voices in their real layouts, of made sounds; what a check finds."""

import json

import numpy as np
import pytest

from tests.trainers.data.speech.corpora import tone
from tests.trainers.data.speech.corpora import write_wave
from tfmodels.errors import DataError
from tfmodels.text.pinyin import check_tones
from tfmodels.text.spans import language_spans
from trainers.data.speech.manifest import Utterance
from trainers.data.synthesis.check import check_synthesis
from trainers.data.synthesis.config import SynthesisManifestData
from trainers.data.synthesis.corpora import CORPORA
from trainers.data.synthesis.corpora import without_silence

FILES = {
    "ljspeech": {"metadata.csv": "LJ001-0001|In 1847|In eighteen|\n"[:-2] + "\n"},
    "css10": {"german/transcript.txt": "a/a_0001.wav|Hallo!|hallo|1.5\n"},
    "vctk": {
        "txt/p225/p225_001.txt": "Please call Stella.\n",
        "txt/p315/p315_009.txt": "There is no sound of this.\n",
        "wav48_silence_trimmed/p225/p225_001_mic1.flac": "",
    },
    "libritts": {
        "dev-clean/84/121123/84_121123_000007_000001.normalized.txt": "Maximilian.",
        "train-clean-100/19/198/19_198_000000_000000.normalized.txt": "North.",
    },
    "aishell3": {
        "train/content.txt": "SSB00050001.wav\t\u5e7f guang3 \u5973 nv3\n",
        "test/content.txt": "SSB00050002.wav\t\u5927 da4\n",
    },
}
EXPECTED = {
    "ljspeech": [("LJ001-0001", "wavs/LJ001-0001.wav", "In eighteen", "en-us", "LJ")],
    "css10": [("german-a_0001", "german/a/a_0001.wav", "hallo", "german", "german")],
    "vctk": [
        (
            "p225_001",
            "wav48_silence_trimmed/p225/p225_001_mic1.flac",
            "Please call Stella.",
            "en",
            "p225",
        )
    ],
    "libritts": [
        (
            "84_121123_000007_000001",
            "dev-clean/84/121123/84_121123_000007_000001.wav",
            "Maximilian.",
            "en-us",
            "84",
        ),
        (
            "19_198_000000_000000",
            "train-clean-100/19/198/19_198_000000_000000.wav",
            "North.",
            "en-us",
            "19",
        ),
    ],
    "aishell3": [
        (
            "SSB00050001",
            "train/wav/SSB0005/SSB00050001.wav",
            "guang3 nv3",
            "cmn-latn-pinyin",
            "SSB0005",
        ),
        (
            "SSB00050002",
            "test/wav/SSB0005/SSB00050002.wav",
            "da4",
            "cmn-latn-pinyin",
            "SSB0005",
        ),
    ],
}


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("name", CORPORA)
def test_layouts(tmp_path, name):
    write(tmp_path, FILES[name])
    found = list(CORPORA[name](tmp_path))
    assert [
        (e.utt, e.audio.removeprefix(f"{tmp_path}/"), e.text, e.lang, e.speaker)
        for e in found
    ] == EXPECTED[name]
    if name in ("libritts", "aishell3"):
        assert {e.split for e in found} <= {"train", "validation", "test"}
        assert found[0].split == {"libritts": "validation"}.get(name, found[0].split)
        assert found[-1].split == {"aishell3": "test"}.get(name, "train")


def test_damaged_layouts(tmp_path):
    for name, files in FILES.items():
        with pytest.raises(DataError, match="--source"):
            list(CORPORA[name](tmp_path / "nowhere"))
        table = next(iter(files))
        if table.endswith((".csv", "transcript.txt", "content.txt")):
            write(tmp_path / name, {table: "just this\n"})
            with pytest.raises(DataError, match="line 1 of"):
                list(CORPORA[name](tmp_path / name))
    bare = {"train/content.txt": "SSB00050001.wav\t\u5e7f guang\n"}
    write(tmp_path / "bare", bare)
    with pytest.raises(DataError, match=r"pinyin without tones.*'guang'"):
        list(CORPORA["aishell3"](tmp_path / "bare"))


def test_pinyin_has_tones():
    check_tones("ni3hao3, lao3shi1! l\u00fc4")
    for text in ("ni3hao", "hao", "ni6hao3", "3hao"):
        with pytest.raises(DataError, match=r"pinyin without tones"):
            check_tones(text)


def test_languages_of_parts():
    spans = language_spans("Ich mag <en-us>cheese cake</en-us> sehr, 1 < 2")
    assert [tuple(span) for span in spans] == [
        (None, "Ich mag "),
        ("en-us", "cheese cake"),
        (None, " sehr, 1 < 2"),
    ]
    assert language_spans("<es>hola</es>") == [("es", "hola")]
    for text in ("<es>hola", "hola</es>", "<es>ho<de>la</de></es>"):
        with pytest.raises(DataError, match="marked wrongly"):
            language_spans(text)


def test_silence_at_the_ends_is_left_out(tmp_path):
    sound = np.concatenate([np.zeros(4000), tone(500, 0.5), np.zeros(8000)])
    write_wave(tmp_path / "a.wav", sound)
    given = Utterance("a", str(tmp_path / "a.wav"), "a", "train")
    found = without_silence(given)
    # At 8 kHz: half a second of sound behind half a second, and 50 ms around it.
    assert found.offset_s == pytest.approx(0.45, abs=0.011)
    assert found.dur_s == pytest.approx(0.6, abs=0.021)


def test_a_check_of_voices(tmp_path):
    entries = []
    for number in range(40):
        write_wave(tmp_path / f"{number}.wav", tone(300, 0.5 + number % 3 / 100))
        entries.append((f"{number}", "abc" * 4, "train", "s0", "de"))
    write_wave(tmp_path / "silent.wav", np.zeros(4000))
    write_wave(tmp_path / "odd.wav", tone(300, 3.0))
    entries += [
        ("silent", "abc", "train", "s0", "de"),
        ("odd", "a", "train", "s0", "de"),
        ("0", "abx", "test", "s1", "de"),
    ]
    lines = [
        {
            "id": f"{name}-{split}",
            "wav": f"{name}.wav",
            "text": text,
            "split": split,
            "speaker": speaker,
            "language": language,
        }
        for name, text, split, speaker, language in entries
    ]
    path = tmp_path / "manifest.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    config = SynthesisManifestData(
        manifests=(str(path),),
        batch_size=4,
        buckets=({"frames": 100, "symbols": 20},),
    )
    seen = []
    found = check_synthesis(config, lambda split, count: seen.append(split))
    assert len(seen) == 43
    assert found["train"].utterances == 41
    assert found["train"].varieties == {"s0 de": 41}
    assert found["train"].other_rate == 41
    problems = "\n".join(found["train"].problems)
    assert "silent-train: the recording is silent" in problems
    assert "odd-train: an odd pace" in problems
    assert len(found["train"].problems) == 2
    (lines_of_test,) = ("\n".join(found["test"].problems),)
    assert "unknown speaker. Expected one of s0. Received 's1'" in lines_of_test
    assert "Received 'x'" in lines_of_test
