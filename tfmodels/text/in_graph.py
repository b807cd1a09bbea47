"""Segmentation and its inverse as graph code, for input pipelines and SavedModels.

Operations of tensorflow-text: a program that loads such a graph must import that too.
"""

import tensorflow as tf
import tensorflow_text

from tfmodels.text.vocabulary import BYTES
from tfmodels.text.vocabulary import END
from tfmodels.text.vocabulary import FINISH
from tfmodels.text.vocabulary import WORD
from tfmodels.text.vocabulary import Vocabulary
from tfmodels.text.vocabulary import byte_mark

# Private as well, and never part of a text: what the matcher says when nothing matches.
_NOTHING = "\U0010f901"
_NO_LIMIT = 2**31 - 1


class GraphSegmenter(tf.Module):
    """What `tfmodels.text.segmentation.Segmenter` computes, id for id."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        """Builds the matcher; a line is matched as a whole.

        Since only the beginning of a piece may be the beginning of a word, no match
        goes beyond the end of a word.
        """
        super().__init__(name="segmenter")
        forms = vocabulary.forms
        self._finish = FINISH if vocabulary.kind == "mixed" else ""
        self._ids = tf.constant([*forms.values(), 0], tf.int32)
        self._surfaces = tf.constant(vocabulary.surfaces)
        self._byte_marks = tf.constant([byte_mark(value) for value in range(BYTES)])
        self._matcher = tensorflow_text.FastWordpieceTokenizer(
            vocab=[*forms, _NOTHING],
            suffix_indicator="",
            unknown_token=_NOTHING,
            no_pretokenization=True,
            max_bytes_per_word=_NO_LIMIT,
            token_out_type=tf.int32,
        )
        known = {c: c for c in sorted(vocabulary.alphabet)}
        known[" "] = self._finish + WORD
        self._characters = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant(list(known)), tf.constant(list(known.values()))
            ),
            default_value="",
        )

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids of texts.

        Args:
          texts: string [n], UTF-8; what is not becomes a replacement character.

        Returns:
          int32 [n, None], at least one in each row, neither start nor end among them.
        """
        characters = tf.strings.unicode_split(texts, "UTF-8")
        flat = characters.flat_values
        known = self._characters.lookup(flat)
        rare = tf.where(known == "")
        spelled = self._spelled(tf.gather_nd(flat, rare))
        written = tf.tensor_scatter_nd_update(known, rare, spelled)
        lines = tf.strings.reduce_join(characters.with_flat_values(written), axis=-1)
        found = self._matcher.tokenize(tf.strings.join([WORD, lines, self._finish]))
        return found.with_flat_values(tf.gather(self._ids, found.flat_values))

    def _spelled(self, characters: tf.Tensor) -> tf.Tensor:
        """Marks of the bytes of characters, string [m]."""
        split = tf.strings.bytes_split(characters)
        values = tf.reshape(tf.io.decode_raw(split.flat_values, tf.uint8), [-1])
        marks = tf.gather(self._byte_marks, tf.cast(values, tf.int32))
        return tf.strings.reduce_join(split.with_flat_values(marks), axis=-1)

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Texts of ids, each up to its first end.

        Args:
          ids: int32 [n, T], filled up with anything after the end, or with padding.

        Returns:
          string [n], always UTF-8.
        """
        ended = tf.cumsum(tf.cast(ids == END, tf.int32), axis=-1) > 0
        parts = tf.where(ended, "", tf.gather(self._surfaces, ids))
        text = tf.strings.reduce_join(parts, axis=-1)
        text = tf.strings.regex_replace(text, r"\A ", "", replace_global=False)
        return tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
