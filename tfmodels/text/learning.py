"""Learns a vocabulary from counted words: wordpieces, or words and characters."""

from collections import Counter
from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence

from tfmodels.errors import ConfigError
from tfmodels.text.merging import Criterion
from tfmodels.text.merging import learn_merges
from tfmodels.text.vocabulary import BYTES
from tfmodels.text.vocabulary import SPECIAL
from tfmodels.text.vocabulary import WORD
from tfmodels.text.vocabulary import Kind
from tfmodels.text.vocabulary import Vocabulary
from tfmodels.text.vocabulary import is_spelled
from tfmodels.text.vocabulary import marked


def count_words(lines: Iterable[str]) -> Counter[str]:
    """How often each word is there; words are what spaces separate, empty ones too."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split(" "))
    return counts


def learn_vocabulary(
    words: Mapping[str, int],
    size: int,
    *,
    kind: Kind = "wordpieces",
    criterion: Criterion = "count",
    max_alphabet: int = 500,
    languages: Sequence[str] = (),
) -> Vocabulary:
    """Learns pieces of words; the same counts give the same vocabulary.

    Args:
      words: how often each word is in the text, of all languages together.
      size: ids of the vocabulary; fewer are used if the text has no more pieces.
      kind: wordpieces, or words and marked characters.
      criterion: what is best to be merged, for wordpieces.
      max_alphabet: most frequent characters that need not be spelled by their bytes.
      languages: target languages that get a token.

    Raises:
      ConfigError: not even the characters have room.
    """
    alphabet = _alphabet(words, max_alphabet)
    characters = [WORD, *alphabet]
    if kind == "mixed":
        characters = [WORD, *(piece for c in alphabet for piece in marked(c))]
    room = size - len(SPECIAL) - len(languages) - BYTES - len(characters)
    if room < 0:
        raise ConfigError(
            "the vocabulary has no room for its special ids, 256 bytes and alphabet."
            f" Expected a vocabulary_size of at least {size - room}. Received {size};"
            " raise it, or lower the number of characters, alphabet."
        )
    if kind == "mixed":
        pieces = _frequent_words(words, frozenset(alphabet), room)
    else:
        pieces = learn_merges(_runs(words, frozenset(alphabet)), room, criterion)
    return Vocabulary(kind, tuple(languages), (*characters, *pieces))


def _alphabet(words: Mapping[str, int], most: int) -> list[str]:
    """The most frequent characters, frequent ones first."""
    counts: Counter[str] = Counter()
    for word, count in words.items():
        for character in word:
            counts[character] += count
    usable = [c for c in counts if not is_spelled(c)]
    return sorted(usable, key=lambda c: (-counts[c], c))[:most]


def _runs(words: Mapping[str, int], alphabet: frozenset[str]) -> Counter[str]:
    """Parts of words between characters that are spelled: none is merged with those."""
    runs: Counter[str] = Counter()
    for word, count in words.items():
        known = "".join(c if c in alphabet else " " for c in WORD + word)
        # The mark is in no alphabet, but begins the word.
        for run in (WORD + known[1:]).split():
            runs[run] += count
    return runs


def _frequent_words(
    words: Mapping[str, int], alphabet: frozenset[str], most: int
) -> list[str]:
    """The most frequent words that need no spelling, marked."""
    usable = [word for word in words if word and alphabet.issuperset(word)]
    usable.sort(key=lambda word: (-words[word], word))
    return [WORD + word for word in usable[:most]]
