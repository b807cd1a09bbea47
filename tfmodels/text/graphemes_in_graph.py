"""The table of graphemes as graph code, for metrics, pipelines and SavedModels.

Operations of tensorflow-text: a program that encodes with such a graph must import it.
"""

import tensorflow as tf
import tensorflow_text

from tfmodels.text.graphemes import END
from tfmodels.text.graphemes import SPECIAL
from tfmodels.text.graphemes import UNKNOWN
from tfmodels.text.graphemes import Graphemes

# All that Python's `str.split` takes for white space.
_WHITE_SPACE = r"[\p{Z}\t\n\x0b\f\r\x1c-\x1f\x{85}]+"


class GraphGraphemes(tf.Module):
    """What `Graphemes.encode` and `Graphemes.decode` compute, id for id.

    Of a table without pieces; with them texts are encoded in Python alone.
    """

    def __init__(self, graphemes: Graphemes) -> None:
        """Builds the look-up tables."""
        super().__init__(name="graphemes")
        self._num_varieties = len(graphemes.varieties)
        self._lower_case = tf.constant([v.lower_case for v in graphemes.varieties])
        self._surfaces = tf.constant([s.encode() for s in graphemes.surfaces])
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(
                tf.constant([c.encode() for c in graphemes.ids]),
                tf.constant(list(graphemes.ids.values()), tf.int32),
            ),
            default_value=UNKNOWN,
        )

    def encode(self, texts: tf.Tensor, variety: tf.Tensor) -> tf.RaggedTensor:
        """Ids of the characters of texts.

        Args:
          texts: string [n], UTF-8.
          variety: int32 [n], the number of each text's variety.

        Returns:
          int32 [n, None].
        """
        texts = normalized_in_graph(texts, tf.gather(self._lower_case, variety))
        characters = tf.strings.unicode_split(texts, "UTF-8")
        return characters.with_flat_values(self._ids.lookup(characters.flat_values))

    def decode(self, ids: tf.Tensor) -> tf.Tensor:
        """Texts of ids, each up to its first end; symbols of varieties say nothing.

        Args:
          ids: int32 [n, T], filled up with anything after the end, or with padding.

        Returns:
          string [n], UTF-8.
        """
        parts = tf.where(_ended(ids), "", tf.gather(self._surfaces, ids))
        return tf.strings.reduce_join(parts, axis=-1)

    def variety_of(self, ids: tf.Tensor) -> tf.Tensor:
        """Number of the first variety whose symbol is there before the end.

        Args:
          ids: int32 [n, T].

        Returns:
          int32 [n], -1 where there is none.
        """
        number = ids - len(SPECIAL)
        there = (number >= 0) & (number < self._num_varieties) & ~_ended(ids)
        first = tf.argmax(there, axis=-1)
        found = tf.gather(number, first, batch_dims=1)
        return tf.where(tf.reduce_any(there, axis=-1), found, -1)


def normalized_in_graph(texts: tf.Tensor, lower_case: tf.Tensor) -> tf.Tensor:
    """What `tfmodels.text.graphemes.normalized` computes.

    Args:
      texts: string [n], UTF-8.
      lower_case: bool [n], which become small letters.

    Returns:
      string [n].
    """
    small = tf.strings.lower(texts, encoding="utf-8")
    texts = tf.where(lower_case, small, texts)
    texts = tf.strings.regex_replace(texts, _WHITE_SPACE, " ")
    return tensorflow_text.normalize_utf8(tf.strings.strip(texts), "NFC")


def _ended(ids: tf.Tensor) -> tf.Tensor:
    """Which ids are an end or behind one, bool [n, T]."""
    return tf.cumsum(tf.cast(ids == END, tf.int32), axis=-1) > 0
