"""What a synthesiser can say, and as whom: texts and names as numbers."""

from collections.abc import Mapping
from collections.abc import Sequence
from dataclasses import asdict
from dataclasses import dataclass
from typing import Any
from typing import NamedTuple

import numpy as np

from tfmodels.audio.presets import MelPreset
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.text.graphemes import normalized
from tfmodels.text.mnemonics import SPACE
from tfmodels.text.pieces import cut
from tfmodels.text.spans import language_spans
from tfmodels.text.symbols import NO_TONE
from tfmodels.text.symbols import Encoded
from tfmodels.text.symbols import Symbols
from trainers.data.synthesis.espeak_voices import phonemes_of
from trainers.data.synthesis.source import SynthesisSource
from trainers.tasks.config import SpeechSynthesisConfig


class Script(NamedTuple):
    """A text as a synthesiser takes it."""

    pieces: tuple[Encoded, ...]
    """Sentences, or less."""
    pauses: tuple[float, ...]
    """Seconds of silence behind each piece but the last."""
    speaker: np.ndarray
    """float32 [1, S], shares of the speakers."""
    language: np.ndarray
    """float32 [1, L], shares of the languages in whose manner it is said."""
    unknown: tuple[str, ...]
    """Symbols that the model does not know."""
    languages: tuple[np.ndarray, ...] = ()
    """Of a text in several languages, shares of the languages of each symbol of each
    piece, float32 [N, L]."""

    def rows(self, first: int, last: int) -> dict[str, np.ndarray]:
        """Pieces from one to the one before another as the model's `encode` takes
        them, filled up to the longest."""
        chosen = self.pieces[first:last]
        count = len(chosen)
        lengths = [len(piece.ids) for piece in chosen]
        rows = {
            name: np.zeros([count, max(lengths)], np.int32)
            for name in ("symbols", "tones")
        }
        for row, (piece, length) in enumerate(zip(chosen, lengths, strict=True)):
            rows["symbols"][row, :length] = piece.ids
            rows["tones"][row, :length] = piece.tones
        if self.languages:
            width = rows["symbols"].shape[1]
            rows["token_languages"] = np.stack(
                [
                    np.pad(each, [[0, width - len(each)], [0, 0]])
                    for each in self.languages[first:last]
                ]
            )
        return {
            **rows,
            "symbol_lengths": np.array(lengths, np.int32),
            "speaker": np.repeat(self.speaker, count, 0),
            "language": np.repeat(self.language, count, 0),
        }


@dataclass(frozen=True)
class Voices:
    """The inventories of a synthesiser."""

    symbols: Symbols
    """What ids of texts mean."""
    tones: bool
    """Whether phonemes have tones."""
    speakers: tuple[str, ...]
    """In the order of their numbers."""
    languages: tuple[str, ...]
    """In the order of their numbers."""
    preset: MelPreset
    """The numbers of its spectra."""
    longest: int
    """Symbols of the longest texts that it was taught, the end included."""

    @classmethod
    def of(cls, source: SynthesisSource) -> "Voices":
        """Those of the data that a model learns from."""
        config = source.config
        return cls(
            source.symbols,
            config.tones,
            source.speakers,
            source.languages,
            source.front_end.preset,
            config.buckets[-1].symbols,
        )

    def plain(self) -> dict[str, Any]:
        """What `from_plain` makes the same of, as JSON holds it."""
        values = asdict(self)
        return {
            **values,
            "symbols": self.symbols.plain(),
            "preset": self.preset.plain(),
        }

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> "Voices":
        """What `plain` was made of.

        Raises:
          DataError: a part is missing or of another type.
        """
        try:
            return cls(
                Symbols.from_plain(values["symbols"]),
                bool(values["tones"]),
                tuple(values["speakers"]),
                tuple(values["languages"]),
                MelPreset.from_plain(values["preset"]),
                int(values["longest"]),
            )
        except (KeyError, TypeError) as error:
            raise DataError(
                "this is no table of voices. Expected symbols, tones, speakers,"
                f" languages, preset and longest. Received an error of {error}."
            ) from None

    def script(self, text: str, config: SpeechSynthesisConfig) -> Script:
        """A text in the configured voice, language and accent.

        Texts are cut into sentences, and those into pieces no longer than what the
        model was taught. Parts between marks, as in ``<es>hola</es>``, are of another
        language, and said in its manner.

        Raises:
          ConfigError: the voice or the accent is not one of the model's.
          DataError: there is nothing to say, or eSpeak NG is needed and not there, or
            does not have the language.
        """
        language = config.language or self.languages[0]
        if config.accent is None and language not in self.languages:
            raise ConfigError(
                "task.language: the model was not taught it, and in whose manner it is"
                f" to be said is not known. Expected one of"
                f" {', '.join(self.languages)}, or one of these as task.accent"
                f" (--accent) besides. Received {language!r} and no accent."
            )
        speaker = shares("speaker", config.speaker or self.speakers[0], self.speakers)
        accent = shares("accent", config.accent or language, self.languages)
        if not text.strip():
            raise _nothing(text)
        spans = language_spans(text)
        table = self.symbols
        units: list[str] = []
        tones: list[int] = []
        manners: list[np.ndarray] = []
        for span in spans:
            found, of_each = self._units(span.text, span.language or language, units)
            units += found
            tones += of_each
            manner = accent
            if span.language is not None:
                manner = shares("language of a part", span.language, self.languages)
            manners += [manner[0]] * len(found)
        sizes = None
        if table.kind == "bytes":
            sizes = [len(unit.encode()) for unit in units]
        pieces, behind, languages = [], [], []
        unknown: tuple[str, ...] = ()
        for each in cut(units, self.longest - 1, sizes):
            begin, end = each.begin, each.end
            piece = table.encode(units[begin:end], tones[begin:end])
            unknown += piece.unknown
            if len(piece.ids) - 1 > len(piece.unknown):
                pieces.append(piece)
                behind.append(each.pause)
                counts = sizes[begin:end] if sizes else 1
                rows = np.repeat(np.stack(manners[begin:end]), counts, axis=0)
                # The end is of the last one's.
                languages.append(np.concatenate([rows, rows[-1:]]))
        if not pieces:
            raise _nothing(text)
        several = any(span.language is not None for span in spans)
        return Script(
            tuple(pieces),
            tuple(behind),
            speaker,
            accent,
            unknown,
            tuple(languages) if several else (),
        )

    def _units(
        self, text: str, language: str, before: Sequence[str]
    ) -> tuple[list[str], list[int]]:
        """Units of a part of a text and their tones, behind others."""
        if self.symbols.kind != "phonemes":
            units = list(normalized(text, self.symbols.lower_case))
            units = [" "] * bool(before) + units
            return units, [NO_TONE] * len(units)
        found = phonemes_of(text, language)
        space = [SPACE] * bool(before)
        tones = found.tones if self.tones else (NO_TONE,) * len(found.names)
        return [*space, *found.names], [NO_TONE] * len(space) + list(tones)


def shares(key: str, wanted: str, names: tuple[str, ...]) -> np.ndarray:
    """How much of each a name has, float32 [1, n]: all of one, or a mixture.

    Args:
      key: of the task's configuration, for messages.
      wanted: a name, or several with their shares: ``m3:0.7,f5:0.3``.
      names: those that there are.

    Raises:
      ConfigError: one is not among them, or a share is no positive number.
    """
    found = np.zeros([1, len(names)], np.float32)
    for part in wanted.split(","):
        # Names may hold a colon themselves.
        name, colon, share = part.rpartition(":") if part not in names else ("",) * 3
        name = name.strip() if colon else part.strip()
        if name not in names:
            raise ConfigError(
                f"task.{key}: the model does not have it. Expected one of"
                f" {', '.join(names)}, or several with shares, as in a:0.7,b:0.3."
                f" Received {name!r}."
            )
        try:
            number = float(share) if colon else 1.0
        except ValueError:
            number = np.nan
        if not 0 < number < np.inf:
            raise ConfigError(
                f"task.{key}: the share of {name} is no number. Expected one above 0,"
                f" as in {name}:0.7. Received {share!r}."
            )
        found[0, names.index(name)] += number
    return found / found.sum()


def _nothing(text: str) -> DataError:
    return DataError(
        "there is nothing to say. Expected a text with some symbol that the model"
        f" knows. Received {text[:70]!r}."
    )
