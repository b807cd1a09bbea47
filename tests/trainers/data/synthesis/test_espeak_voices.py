"""The corpus that eSpeak NG says: pairs that are withheld, phonemes, their times."""

import importlib.util
from collections import Counter

import pytest

from tfmodels.errors import DataError
from trainers.data.synthesis.espeak_phrases import UNSEEN
from trainers.data.synthesis.espeak_phrases import WORDS
from trainers.data.synthesis.espeak_phrases import phrases
from trainers.data.synthesis.espeak_voices import phonemes_of
from trainers.data.synthesis.espeak_voices import speak_voices

needs_espeak = pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="needs tfmodels[speech], eSpeak NG",
)
SIZES = {"train": 3, "test": 2}


def test_phrases_are_different_and_new_words_are_new():
    for language in WORDS:
        found = phrases(language, 0, {"train": 300, "test": 30, "words": 20})
        assert [len(each) for each in found.values()] == [300, 30, 20]
        assert len(set().union(*found.values())) == 350
        unseen = set(UNSEEN[language].split())
        learned = {word for phrase in found["train"] for word in phrase.split()}
        assert not unseen & learned
        for phrase in found["words"]:
            assert len(unseen & set(phrase.split())) == 1


@needs_espeak
def test_a_corpus(tmp_path):
    voices = {"f5": "en-us", "grandma": "cmn-latn-pinyin"}
    found = speak_voices(tmp_path, sizes=SIZES, voices=voices)
    pairs = Counter((each.split, each.speaker, each.lang) for each in found)
    for voice, own in voices.items():
        for language in WORDS:
            assert pairs["train", voice, language] == 3 * (language == own)
            assert pairs["test", voice, language] == 2
    assert any(each.durations_ms for each in found)
    for each in found:
        assert each.phonemes is not None
        if each.durations_ms is not None:
            assert len(each.durations_ms) == len(each.phonemes)
            total = sum(each.durations_ms) / 1000
            assert total <= each.dur_s <= total + 0.04001
    first = (tmp_path / "checksums.json").read_text()
    speak_voices(tmp_path, sizes=SIZES, voices=voices)
    assert (tmp_path / "checksums.json").read_text() == first


@needs_espeak
def test_tones_words_and_voices_that_are_not_there():
    tones = [phonemes_of(f"ma{tone}", "cmn-latn-pinyin").tones for tone in range(1, 6)]
    assert tones == [(1, 1), (2, 2), (3, 3), (4, 4), (0, 0)]
    # A voice of several clauses before leaves nothing behind.
    assert phonemes_of("Hallo. Ja, nein!", "de").names.count(" ") == 2
    with pytest.raises(DataError, match="zh-xx"):
        phonemes_of("ma1", "zh-xx")
