"""What is exported for language modelling: tokens in, scores of the next ones out."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.continuing import DECODE
from export.continuing import PREFILL
from export.continuing import cached_endpoints
from export.continuing import continued
from export.continuing import told
from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.signatures.agreement import same_best
from tfmodels.text.sentence_pieces import SentencePieces
from tfmodels.transformer.caching import CachedTransformer
from trainers.data.config import StoriesData
from trainers.data.config import TextData
from trainers.data.config import TokenData
from trainers.data.tokens.dataset import token_dataset
from trainers.data.tokens.sources import Notation
from trainers.data.tokens.sources import open_notation
from trainers.data.tokens.sources import open_tokens
from trainers.data.tokens.stories import Pieces
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.language_modeling import continuation

SCORE = "score"
"""The endpoint for whole sequences."""

_PIECES = "pieces.json"


class LanguageModelingSignatures:
    """A SavedModel function on sequences of any length; a TFLite function on full ones.

    TFLite gets the logits, not the probabilities: an int8 softmax has the fixed step
    1 / 256, and most of a vocabulary would get 0.
    """

    accuracy = "token_accuracy"
    file_names: tuple[str, ...] = (_PIECES,)
    floating: tuple[str, ...] = (PREFILL, DECODE)
    repeated: tuple[str, ...] = (SCORE,)

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration, and the vocabulary where it is foreign."""
        model: Any = experiment.model
        data: Any = experiment.training_stages()[-1].data
        self._model = model
        self._length: int = model.max_length
        # What is sorted is answered at once, and its file stays a single one.
        self._continues = isinstance(data, StoriesData | TextData)
        if not self._continues:
            self.floating = self.repeated = ()
        self._num_tokens: int = model.vocabulary_size
        self._seed = experiment.run.seed
        self._notation: Notation
        if _PIECES in files:
            pieces = SentencePieces.from_plain(json.loads(files[_PIECES]))
            self._notation = Pieces(pieces, self._length)
        else:
            self._notation = open_notation(data, self._length)
        # The device takes one sequence at a time; the others get the same ones.
        self._data: TokenData = data.model_copy(update={"batch_size": 1})

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """The vocabulary of `stories`; of others the configuration says it all."""
        if task.pieces is None:
            return {}
        plain = task.pieces.plain()
        return {_PIECES: json.dumps(plain, ensure_ascii=False, indent=0)}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The model itself."""
        return model

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """``serve(tokens: int32 [B, t])``, t from 1 to the model's length T.

        It returns ``logits`` and ``probabilities`` of the token after each, float32
        [B, t, K].
        """

        def serve(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
            length = tf.shape(tokens)[1]
            # No position sees those after it: anything will do to fill up.
            filled = tf.pad(tokens, [[0, 0], [0, self._length - length]])
            filled = tf.ensure_shape(filled, [None, self._length])
            logits = model(filled, training=False)["logits"][:, :length]
            return {"logits": logits, "probabilities": tf.nn.softmax(logits)}

        tokens = tf.TensorSpec([None, None], tf.int32, "tokens")
        own = {"serve": Endpoint(serve, (tokens,))}
        return own | (self.device(model) if self._continues else {})

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """``score(tokens: int32 [1, T]) -> logits [1, T, K]``.

        For texts also those of `export.continuing.cached_endpoints`.
        """

        def score(tokens: tf.Tensor) -> dict[str, tf.Tensor]:
            return {"logits": model(tokens, training=False)["logits"]}

        tokens = tf.TensorSpec([1, self._length], tf.int32, "tokens")
        own = {SCORE: Endpoint(score, (tokens,))}
        if not self._continues:
            return own
        return own | cached_endpoints(CachedTransformer(model, self._model))

    def preprocessing(self) -> dict[str, Any]:
        """What the tokens are, and how a short sequence is filled up."""
        return {
            "tokens": f"int32 from 0 to {self._num_tokens - 1}",
            "fill": "at the end, with 0; no position sees those after it",
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Training sequences, in the random order of the first epoch."""
        for batch in self._batches("train").take(count).as_numpy_iterator():
            yield SCORE, {"tokens": batch["tokens"]}

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Sequences as evaluation sees them, ``tokens`` int32 [1, T].

        All of a split, or `limit` of them at even distances.
        """
        batches = self._batches(split)
        size = int(batches.cardinality())
        wanted = np.linspace(0, size, min(limit, size), endpoint=False).astype(int)
        chosen = set(wanted.tolist())
        for number, batch in enumerate(batches.as_numpy_iterator()):
            if number in chosen:
                yield batch

    def _batches(self, split: str) -> tf.data.Dataset:
        source = open_tokens(self._data, split, self._length)
        return token_dataset(source, self._data, split, self._seed)

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Logits of every position."""
        return {"logits": self._logits(program, batch["tokens"])}

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether the most probable next token is the same, bool [B, T]."""
        return same_best(reference, outputs)

    def predict(self, program: Program, source: str) -> str:
        """Goes on with a text, always with the most probable token.

        Raises:
          DataError: the text cannot be made into tokens of the run's data.
        """

        if DECODE in program.endpoints:
            return "".join(self.parts(program, source))

        def score(tokens: np.ndarray) -> np.ndarray:
            return np.asarray(self._logits(program, tokens))

        return continuation(score, self._notation, source, self._length)

    def parts(self, program: Program, source: str) -> Iterator[str]:
        """What `predict` answers, each part as soon as it is known.

        Raises:
          DataError: see `predict`.
        """
        if DECODE not in program.endpoints:
            yield self.predict(program, source)
            return
        tokens, num_new = self._notation.prompt(source)
        new: list[int] = []
        shown = text = ""
        for token in continued(program, tokens, num_new):
            new.append(token)
            text = self._notation.show(new)
            if not text.endswith("\ufffd"):  # Else it is a part of a character.
                yield text[len(shown) :]
                shown = text
        yield text[len(shown) :]

    def _logits(self, program: Program, tokens: np.ndarray) -> Any:
        if not {"serve", SCORE} & {*program.endpoints}:
            return told(program, tokens)
        endpoint = "serve" if "serve" in program.endpoints else SCORE
        return program(endpoint, {"tokens": tokens})["logits"]
