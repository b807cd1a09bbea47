"""Characters and bytes of a synthesiser as graph code, for SavedModels.

Operations of tensorflow-text: a program that encodes with such a graph must import it.
Phonemes are made outside of graphs.
"""

import tensorflow as tf

from tfmodels.errors import ConfigError
from tfmodels.text.graphemes_in_graph import normalized_in_graph
from tfmodels.text.symbols import END
from tfmodels.text.symbols import UNKNOWN
from tfmodels.text.symbols import Symbols


class GraphSymbols(tf.Module):
    """What `Symbols.encode` computes of written texts, id for id."""

    def __init__(self, symbols: Symbols) -> None:
        """Builds the look-up tables.

        Raises:
          ConfigError: the symbols are phonemes.
        """
        super().__init__(name="symbols")
        if symbols.kind == "phonemes":
            raise ConfigError(
                "phonemes cannot be made in a graph. Expected data.symbols: characters"
                " or bytes. Received phonemes; pass their numbers."
            )
        self._lower_case = symbols.lower_case
        self._table = None
        if symbols.kind == "characters":
            self._table = tf.lookup.StaticHashTable(
                tf.lookup.KeyValueTensorInitializer(
                    tf.constant([name.encode() for name in symbols.ids]),
                    tf.constant(list(symbols.ids.values()), tf.int32),
                ),
                default_value=UNKNOWN,
            )

    def encode(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Ids of texts string [n], UTF-8: int32 [n, None], the end as the last."""
        texts = normalized_in_graph(texts, tf.fill(tf.shape(texts), self._lower_case))
        if self._table is None:
            units = tf.strings.bytes_split(texts)
            values = tf.io.decode_raw(units.flat_values, tf.uint8)[:, 0]
            ids = UNKNOWN + tf.cast(values, tf.int32)
        else:
            units = tf.strings.unicode_split(texts, "UTF-8")
            ids = self._table.lookup(units.flat_values)
        end = tf.fill([units.nrows(), 1], END)
        return tf.concat([units.with_flat_values(ids), end], axis=1)
