"""The connected digits that `async_sequence/fsdd` is tested with, as recordings.

So a recogniser of `multidialect_asr` can be asked for the same utterances.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tools.prepare.sound import write_wave

if TYPE_CHECKING:
    from trainers.data.speech.manifest import Utterance

# Of the training split only words are of interest, all of which soon come up.
_SIZES = {"train": 60, "test": 300}
_RATE = 8000


def connected_digits(source: Path, output: Path) -> Iterator["Utterance"]:
    """Writes utterances as recordings of 16 bits, and yields what is known of them.

    Args:
      source: folder of the Free Spoken Digit Dataset's recordings.
      output: folder to write into.

    Raises:
      DataError: a recording is missing, damaged or of another kind, or a speaker has no
        accent.
    """
    from tools.quiet import load_tensorflow

    load_tensorflow()
    import tensorflow as tf

    from trainers.data.config import SpokenDigitsData
    from trainers.data.speech.config import ACCENTS
    from trainers.data.speech.digit_clips import ENGLISH
    from trainers.data.speech.digit_clips import english_clips
    from trainers.data.speech.manifest import Utterance
    from trainers.data.utterances.digits import SpokenDigitsSource

    # Explains speakers without an accent.
    accents = {clip.speaker: clip.accent for clip in english_clips(source, ACCENTS)}
    output.mkdir(parents=True, exist_ok=True)
    sizes = {f"{split}_utterances": size for split, size in _SIZES.items()}
    config = SpokenDigitsData.parse({"path": str(source), "batch_size": 1, **sizes})
    for split, size in _SIZES.items():
        made = SpokenDigitsSource(config, split)
        for number in range(size):
            sound, length, words = made.compose(tf.constant([number], tf.int64))
            name = f"{split}-{number:03}.wav"
            write_wave(output / name, sound[0, : int(length[0])].numpy(), _RATE)
            speaker = made.speakers[number % made.num_speakers]
            yield Utterance(
                utt=f"{split}-{number}",
                audio=str(output / name),
                text=" ".join(ENGLISH[word - 1] for word in words[0].numpy() if word),
                split=split,
                lang="en",
                dialect=accents[speaker],
                speaker=speaker,
                dur_s=int(length[0]) / _RATE,
            )
