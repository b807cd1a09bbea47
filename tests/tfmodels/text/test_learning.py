"""Learned pieces, against the example of the literature and plain recounting."""

import math
from collections import Counter
from itertools import pairwise

import pytest

from tests.tfmodels.text import multi30k
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.learning import count_words
from tfmodels.text.learning import learn_vocabulary
from tfmodels.text.merging import learn_merges
from tfmodels.text.segmentation import Segmenter
from tfmodels.text.vocabulary import Vocabulary

WORDS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
RHYME = (
    "peter piper picked a peck of pickled peppers a peck of pickled peppers peter"
    " piper picked if peter piper picked a peck of pickled peppers where is the peck"
    " of pickled peppers peter piper picked banana bananas anna aaaa aaa"
)


def recounted(words, most, criterion):
    """The same merges with nothing kept between them."""
    split = {word: list(word) for word in words}
    found = []
    while len(found) < most:
        pairs, singles = Counter(), Counter()
        for word, count in words.items():
            for piece in split[word]:
                singles[piece] += count
            for pair in pairwise(split[word]):
                pairs[pair] += count
        total = singles.total()

        def score(pair, pairs=pairs, singles=singles, total=total):
            count, (a, b) = pairs[pair], pair
            if criterion == "count":
                return count
            return count * math.log(count * total / (singles[a] * singles[b]))

        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-score(pair), pair))
        if score(best) <= 0:
            break
        if "".join(best) not in found:
            found.append("".join(best))
        for word, parts in split.items():
            place = 0
            while place < len(parts) - 1:
                if (parts[place], parts[place + 1]) == best:
                    parts[place : place + 2] = ["".join(best)]
                place += 1
            split[word] = parts
    return found


def test_first_merges_of_the_published_example():
    marked = {f"▁{word}": count for word, count in WORDS.items()}
    assert learn_merges(marked, 5) == ["es", "est", "lo", "low", "▁low"]


@pytest.mark.parametrize("criterion", ["count", "likelihood"])
def test_merges_are_those_of_counting_afresh(criterion):
    words = {f"▁{word}": n for word, n in count_words([RHYME]).items()}
    merges = learn_merges(words, 60, criterion)
    assert merges == recounted(words, 60, criterion)
    assert len(merges) > 30


def test_size_is_the_number_of_ids():
    vocabulary = learn_vocabulary(WORDS, 280, languages=("de", "fr"))
    # Four special ids, two languages, 256 bytes, ▁ and ten letters, seven merges.
    assert vocabulary.size == len(vocabulary.names) == len(vocabulary.surfaces) == 280
    assert vocabulary.names[:6] == ("<pad>", "<s>", "</s>", "<unk>", "<2de>", "<2fr>")
    assert vocabulary.names[6] == "<0x00>"
    assert vocabulary.names[261:263] == ("<0xFF>", "▁")
    assert vocabulary.pieces[-7:-2] == ("es", "est", "lo", "low", "▁low")
    assert vocabulary.language_id("fr") == 5
    with pytest.raises(DataError, match=r"no token.*\(de, fr\).*'it'"):
        vocabulary.language_id("it")


def test_a_text_may_have_fewer_pieces_than_asked_for():
    vocabulary = learn_vocabulary({"ab": 1}, 10_000)
    assert vocabulary.pieces == ("▁", "a", "b", "ab", "▁ab")


def test_no_room():
    with pytest.raises(ConfigError, match=r"at least 271.*Received 270"):
        learn_vocabulary(WORDS, 270)


def test_rare_characters_are_in_no_piece():
    words = {"aab": 9, "acb": 3, "▁b": 50, "b\tb": 50}
    vocabulary = learn_vocabulary(words, 400, max_alphabet=2)
    assert vocabulary.alphabet == {"a", "b"}
    assert set("".join(vocabulary.pieces)) == {"▁", "a", "b"}
    assert all("▁" not in piece[1:] for piece in vocabulary.pieces)


def test_the_hash_is_of_all_that_ids_depend_on():
    made = [
        learn_vocabulary(WORDS, 280),
        learn_vocabulary(WORDS, 281),
        learn_vocabulary(WORDS, 280, languages=("de",)),
        learn_vocabulary(WORDS, 300, kind="mixed"),
    ]
    assert len({vocabulary.hash for vocabulary in made}) == len(made)
    for vocabulary in made:
        again = Vocabulary.from_plain(vocabulary.plain())
        assert again == vocabulary
        assert again.hash == vocabulary.hash


@pytest.mark.parametrize(
    ("kind", "pieces", "wrong"),
    [
        ("wordpieces", ["▁", "a", "a"], "Received 'a'"),
        ("wordpieces", ["▁", "a", "a▁"], "Received 'a▁'"),
        ("wordpieces", ["▁", "a", "ab"], "Received 'ab'"),
        ("wordpieces", ["▁", "a", ""], "Received ''"),
        ("wordpieces", ["a"], "write a space"),
        ("mixed", ["▁", "<B>a", "b"], "Received 'b'"),
    ],
)
def test_pieces_that_cannot_be(kind, pieces, wrong):
    with pytest.raises(DataError, match=wrong):
        Vocabulary.from_plain({"kind": kind, "languages": [], "pieces": pieces})


def test_something_else_is_no_vocabulary():
    with pytest.raises(DataError, match="this is no vocabulary"):
        Vocabulary.from_plain({"kind": "bpe", "languages": [], "pieces": []})


@multi30k.needed
@pytest.mark.slow
def test_learning_from_multi30k_is_quick_and_good():
    """Within 60 s of one core; about 16 pieces a line, as sentencepiece makes."""
    import time

    lines = multi30k.captions("train", "en") + multi30k.captions("train", "de")
    start = time.process_time()
    vocabulary = learn_vocabulary(count_words(lines), 4000)
    assert time.process_time() - start < 60
    assert vocabulary.size == 4000
    segmenter = Segmenter(vocabulary)
    pieces = sum(len(segmenter.encode(line)) for line in lines)
    assert pieces / len(lines) < 17
