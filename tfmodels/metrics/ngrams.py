"""N-grams that sequences share, counted in graphs: GLEU of ids, BLEU of texts."""

import tensorflow as tf

from tfmodels.metrics.translation import ENTITIES
from tfmodels.metrics.translation import MAX_ORDER
from tfmodels.metrics.translation import RULES

# What Python's str.split takes for a space, in RE2.
_SPACES = r"[\t-\r\x1c-\x20\x{85}\p{Z}]+"


def shared_ngrams(
    first: tf.Tensor,
    first_lengths: tf.Tensor,
    second: tf.Tensor,
    second_lengths: tf.Tensor,
) -> tf.Tensor:
    """How many n-grams two sequences have in common, each as often as both have it.

    It needs n T (T + U) bits of memory for each order, and can be compiled with XLA.

    Args:
      first: integer [n, T].
      first_lengths: int32 [n], what counts of each.
      second: integer [n, U], of the same type.
      second_lengths: int32 [n].

    Returns:
      int32 [n, 4], for n-grams of one to four.
    """
    within = _equal(first, first_lengths, first, first_lengths)
    across = _equal(first, first_lengths, second, second_lengths)
    within_now, across_now = within, across
    counts = []
    for order in range(MAX_ORDER):
        if order:
            within_now = _longer(within_now, within, order)
            across_now = _longer(across_now, across, order)
        # The k-th occurrence is shared if the other has at least k.
        before = tf.linalg.band_part(tf.cast(within_now, tf.int32), -1, 0)
        occurrence = tf.reduce_sum(before, axis=2)
        others = tf.reduce_sum(tf.cast(across_now, tf.int32), axis=2)
        shared = (occurrence > 0) & (occurrence <= others)
        counts.append(tf.reduce_sum(tf.cast(shared, tf.int32), axis=1))
    return tf.stack(counts, axis=1)


def ngram_counts(lengths: tf.Tensor) -> tf.Tensor:
    """How many n-grams of one to four sequences have, int32 [n, 4].

    Args:
      lengths: int32 [n].
    """
    return tf.maximum(lengths[:, None] - tf.range(MAX_ORDER), 0)


def sentence_gleu(
    hypothesis: tf.Tensor,
    hypothesis_lengths: tf.Tensor,
    reference: tf.Tensor,
    reference_lengths: tf.Tensor,
) -> tf.Tensor:
    """What `tfmodels.metrics.translation.gleu` computes, of ids.

    Args:
      hypothesis: int32 [n, T].
      hypothesis_lengths: int32 [n], what counts of each.
      reference: int32 [n, U].
      reference_lengths: int32 [n].

    Returns:
      float32 [n], from 0 to 1.
    """
    shared = shared_ngrams(hypothesis, hypothesis_lengths, reference, reference_lengths)
    longer = tf.maximum(hypothesis_lengths, reference_lengths)
    most = tf.reduce_sum(ngram_counts(longer), axis=1)
    shared = tf.reduce_sum(shared, axis=1)
    return tf.cast(shared, tf.float32) / tf.cast(tf.maximum(most, 1), tf.float32)


def bleu_statistics(hypotheses: tf.Tensor, references: tf.Tensor) -> tf.Tensor:
    """The counts of `tfmodels.metrics.translation.bleu_counts` for ``tok:13a``.

    Words are compared by 64 bits of a hash.

    Args:
      hypotheses: string [n], UTF-8.
      references: string [n], one for each.

    Returns:
      int32 [n, 10] for each sentence: matches of four orders, totals of four orders,
      words of the hypothesis, words of the reference. Rows add up.
    """
    said, written = _words_13a(hypotheses), _words_13a(references)
    lengths = tf.cast(said.row_lengths(), tf.int32)
    written_lengths = tf.cast(written.row_lengths(), tf.int32)
    shared = shared_ngrams(
        said.to_tensor(), lengths, written.to_tensor(), written_lengths
    )
    ends = [lengths[:, None], written_lengths[:, None]]
    return tf.concat([shared, ngram_counts(lengths), *ends], axis=1)


def _words_13a(texts: tf.Tensor) -> tf.RaggedTensor:
    """Hashes of the words of texts, int64 [n, None]."""
    texts = tf.strings.regex_replace(texts, _SPACES + r"\z", "")
    for found, replacement in (("<skipped>", ""), ("-\n", ""), ("\n", " "), *ENTITIES):
        texts = tf.strings.regex_replace(texts, found, replacement)
    texts = tf.strings.join([" ", texts, " "])
    for pattern, parts in RULES:
        texts = tf.strings.regex_replace(texts, pattern, parts)
    texts = tf.strings.strip(tf.strings.regex_replace(texts, _SPACES, " "))
    words = tf.strings.split(texts)
    return words.with_flat_values(
        tf.strings.to_hash_bucket_fast(words.flat_values, tf.int64.max)
    )


def _equal(
    first: tf.Tensor, first_lengths: tf.Tensor, second: tf.Tensor, lengths: tf.Tensor
) -> tf.Tensor:
    """Where real tokens of two sequences are equal, bool [n, T, U]."""
    first_real = tf.sequence_mask(first_lengths, tf.shape(first)[1])
    second_real = tf.sequence_mask(lengths, tf.shape(second)[1])
    real = first_real[:, :, None] & second_real[:, None, :]
    return real & (first[:, :, None] == second[:, None, :])


def _longer(shorter: tf.Tensor, single: tf.Tensor, order: int) -> tf.Tensor:
    """Where n-grams of one more are equal, n being `order`; none begin at the end."""
    rest = single[:, order:, order:]
    missing = tf.shape(single)[1:] - tf.shape(rest)[1:]
    padding = [[0, 0], [0, missing[0]], [0, missing[1]]]
    return shorter & tf.pad(rest, padding)
