"""What a source folder says of words, phones and states, in Kaldi's text forms."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tfmodels.errors import DataError
from tfmodels.lattices.language_model import BackoffModel
from tfmodels.lattices.language_model import estimate
from tfmodels.lattices.lexicon import Lexicon
from tfmodels.lattices.lexicon import PhoneSet
from tfmodels.lattices.tying import Tying
from trainers.data.kaldi.arpa import read_arpa
from trainers.data.kaldi.folder import Utterance
from trainers.data.kaldi.lines import filled_lines
from trainers.data.kaldi.states import Transitions
from trainers.data.kaldi.states import read_transitions
from trainers.data.kaldi.states import read_tying
from trainers.data.kaldi.tables import read_lexicon
from trainers.data.kaldi.tables import read_phone_classes
from trainers.data.kaldi.tables import read_symbols


@dataclass(frozen=True)
class SourceLanguage:
    """Words, phones and states of a source folder."""

    lexicon: Lexicon
    grammar: BackoffModel
    word_names: tuple[str, ...]
    """Names of the numbers that lattices have for words; none without ``words.txt``."""
    transitions: Transitions | None
    tying: Tying | None


def read_language(source: Path, utterances: Sequence[Utterance]) -> SourceLanguage:
    """Reads the files beside the data folders.

    ``phones.txt``, ``lexicon.txt`` and ``optional_silence.txt`` must be there. Without
    ``lm.arpa`` a bigram is estimated from the transcripts. States are those of
    ``tying.txt``; of ``transitions.txt``, if they depend on their phones alone.

    Args:
      source: the folder.
      utterances: whose transcripts a language model may be estimated from.

    Raises:
      DataError: a file is missing or damaged.
    """
    # What begins with # makes homophones differ in Kaldi's graphs, and comes last.
    names = [name for name in read_symbols(source / "phones.txt") if name[0] != "#"]
    classes_file = source / "phone_classes.txt"
    classes = read_phone_classes(classes_file) if classes_file.is_file() else {}
    phones = PhoneSet.create(names[1:], _silence(source), classes)
    lexicon = read_lexicon(source / "lexicon.txt", phones)
    words_file, arpa = source / "words.txt", source / "lm.arpa"
    if arpa.is_file():
        grammar = read_arpa(arpa, lexicon.words)
    else:
        known = lexicon.index
        sentences = [
            [known[word] for word in utterance.words]
            for utterance in utterances
            if set(utterance.words) <= set(known)
        ]
        grammar = estimate(sentences, known.values())
    transitions, tying = None, None
    if (source / "transitions.txt").is_file():
        transitions = read_transitions(source / "transitions.txt", phones)
    if (source / "tying.txt").is_file():
        tying = read_tying(source / "tying.txt", phones)
    return SourceLanguage(
        lexicon,
        grammar,
        read_symbols(words_file) if words_file.is_file() else (),
        transitions,
        tying,
    )


def _silence(source: Path) -> str:
    lines = list(filled_lines(source / "optional_silence.txt"))
    if len(lines) != 1 or len(lines[0].fields) != 1:
        path = source / "optional_silence.txt"
        raise DataError(
            f"{path} names no phone. Expected one line, the phone that may stand"
            f" between words; received {len(lines)} lines."
        )
    return lines[0].fields[0]
