"""What is exported for translation: sentences in and out; single steps for a device."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from trainers.data.parallel.dataset import parallel_dataset
from trainers.data.parallel.sources import open_parallel

from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.search import Hypothesis
from export.search import Stepped
from export.search import search
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.scores import max_lengths
from tfmodels.decoding.translation import translate
from tfmodels.errors import DataError
from tfmodels.text.in_graph import GraphSegmenter
from tfmodels.text.segmentation import Segmenter
from tfmodels.text.vocabulary import END
from tfmodels.text.vocabulary import START
from tfmodels.text.vocabulary import Vocabulary
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.answers import Answers
from trainers.tasks.answers import read_answers

_VOCABULARY = "vocabulary.json"
_ENCODE, _STEP = "encode", "decode_step"


class TranslationSignatures:
    """SavedModel functions on text; for the device an encoder and one decoder step.

    A step scores what may follow each of W hypotheses, W being the beam's width; the
    search itself is `export.search`, outside of the file (arXiv 1609.08144, section 7).
    """

    accuracy = "token_accuracy"
    file_names: tuple[str, ...] = (_VOCABULARY,)
    loops: tuple[str, ...] = (_ENCODE,)

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the vocabulary."""
        task: Any = experiment.task
        self._data: Any = experiment.training_stages()[-1].data
        self._seed = experiment.run.seed
        width = task.search.beam_width
        self._search = task.search.model_copy(update={"n_best": width})
        self._language: str | None = task.target_language
        self._length: int = self._data.max_length
        self._vocabulary = Vocabulary.from_plain(json.loads(files[_VOCABULARY]))

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """The vocabulary, as JSON."""
        plain = task.vocabulary.plain()
        return {_VOCABULARY: json.dumps(plain, ensure_ascii=False, indent=1)}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The model itself."""
        return model

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """Text to text, ids to ids, and the price of given translations.

        - ``translate(text: string [B])``, with ``target_language: string [B]`` besides
          for a model that knows several, returns ``translation`` string [B, N], best
          first, and ``score``, ``log_prob`` float32 [B, N]. Only it needs the
          operations of tensorflow-text.
        - ``translate_ids(source: int32 [B, S])``, padded with 0, returns ``ids`` int32
          [B, N, T], ``lengths`` int32 [B, N], ``scores``, ``log_probs`` float32 [B, N],
          ``alignments`` int32 [B, N, T] and ``coverage`` float32 [B, N, S].
        - ``score(source: int32 [B, S], target: int32 [B, T])``, a target beginning with
          the start, returns ``logits`` float32 [B, T, V] of what follows each token
          and ``attention`` float32 [B, T, S].
        """
        segmenter = GraphSegmenter(self._vocabulary)
        languages = self._vocabulary.languages

        def searched(source: tf.Tensor) -> Hypotheses:
            return translate(model, source, self._search)

        def from_text(
            text: tf.Tensor, language: tf.Tensor | None = None
        ) -> dict[str, tf.Tensor]:
            pieces = segmenter.encode(text)
            ends = tf.ones_like(pieces[:, :1]) * END
            parts = [pieces, ends]
            if language is not None:
                equal = language[:, None] == tf.constant(languages)
                number = tf.argmax(equal, axis=1, output_type=tf.int32)
                first = self._vocabulary.language_id(languages[0])
                parts.insert(0, tf.RaggedTensor.from_tensor(number[:, None] + first))
            found = searched(tf.concat(parts, axis=1).to_tensor())
            flat = tf.reshape(found.ids, [-1, tf.shape(found.ids)[2]])
            texts = tf.reshape(segmenter.decode(flat), tf.shape(found.scores))
            return {
                "translation": texts,
                "score": found.scores,
                "log_prob": found.log_probs,
            }

        def from_ids(source: tf.Tensor) -> dict[str, tf.Tensor]:
            return searched(source)._asdict()

        def score(source: tf.Tensor, target: tf.Tensor) -> dict[str, tf.Tensor]:
            made: dict[str, tf.Tensor] = model(
                {"source": source, "target": target}, training=False
            )
            return made

        texts = [tf.TensorSpec([None], tf.string, "text")]
        if languages:
            texts.append(tf.TensorSpec([None], tf.string, "target_language"))
        source = tf.TensorSpec([None, None], tf.int32, "source")
        target = tf.TensorSpec([None, None], tf.int32, "target")
        return {
            "translate": Endpoint(from_text, tuple(texts)),
            "translate_ids": Endpoint(from_ids, (source,)),
            "score": Endpoint(score, (source, target)),
        }

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """``encode(source: int32 [1, S])`` and ``decode_step(tokens: int32 [W], ...)``.

        `encode` returns what the decoder needs to know of the source, ``memory_...``
        [1, ...], and its first state, ``state_...`` [1, ...]. A step takes these, the
        state with a row for each hypothesis, and returns ``log_probs`` float32 [W, V],
        ``weights`` float32 [W, S], attention, and the next state by the same names.
        """
        width, length = self._search.beam_width, self._length

        def encode(source: tf.Tensor) -> dict[str, tf.Tensor]:
            memory = model.encode(source)
            state = model.initial_state(memory)
            return {**_named("memory", memory), **_named("state", state)}

        shapes = tf.function(encode).get_concrete_function(
            tf.TensorSpec([1, length], tf.int32)
        )
        specs = [tf.TensorSpec([width], tf.int32, "tokens")]
        for name, tensor in shapes.structured_outputs.items():
            rows = width if name.startswith("state_") else 1
            specs.append(tf.TensorSpec([rows, *tensor.shape[1:]], tensor.dtype, name))

        def decode_step(*values: tf.Tensor) -> dict[str, tf.Tensor]:
            given = dict(zip((spec.name for spec in specs), values, strict=True))
            state, memory = _unnamed("state", given), _unnamed("memory", given)
            made = model.step(given["tokens"], state, memory)
            return {
                "log_probs": made.log_probs,
                "weights": made.attention,
                **_named("state", made.state),
            }

        source = tf.TensorSpec([1, length], tf.int32, "source")
        return {
            _ENCODE: Endpoint(encode, (source,)),
            _STEP: Endpoint(decode_step, tuple(specs)),
        }

    def preprocessing(self) -> dict[str, Any]:
        """How a sentence becomes ids, and how the search goes on."""
        return {
            "vocabulary": _VOCABULARY,
            "source": f"ids of the sentence, then {END}, filled up to {self._length}"
            " with 0; before them the target language's id, if there are languages",
            "search": self._search.plain(),
            "first_token": START,
            "end": END,
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Training pairs: each source, and every step through its right translation."""
        for batch in self._batches("train").take(count).as_numpy_iterator():
            if batch["source"].shape[1] > self._length:
                continue
            yield _ENCODE, {"source": self._filled(batch["source"][0])}
            for inputs, _ in self._steps(program, batch):
                yield _STEP, inputs

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Pairs as evaluation sees them, one at a time; all or `limit` of them."""
        batches = self._batches(split)
        size = int(batches.cardinality())
        wanted = np.linspace(0, size, min(limit, size), endpoint=False).astype(int)
        chosen = set(wanted.tolist())
        for number, batch in enumerate(batches.as_numpy_iterator()):
            if number in chosen:
                yield batch

    def _batches(self, split: str) -> tf.data.Dataset:
        data = self._data.model_copy(update={"batch_size": 1})
        return parallel_dataset(open_parallel(data), data, split, self._seed)

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Logits of the right translation; the best one found, int32 [1, T]."""
        if "score" in program.endpoints:
            made = program("score", {k: batch[k] for k in ("source", "target")})
            found = program("translate_ids", {"source": batch["source"]})
            return {"logits": made["logits"], "translation": found["ids"][:, 0]}
        steps = [outputs["log_probs"][0] for _, outputs in self._steps(program, batch)]
        found = self._searched(program, batch["source"][0])
        return {"logits": np.stack(steps)[None], "translation": found.ids[:, 0]}

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether the whole translation is the same, bool [1, T] for all its tokens."""
        first, second = (
            [token for token in each["translation"][0].tolist() if token]
            for each in (reference, outputs)
        )
        return np.full(reference["logits"].shape[:2], first == second)

    def predict(self, program: Program, source: str) -> Answers:
        """The best translations of a sentence.

        Raises:
          DataError: it is too long for the device, or there is no such language.
        """
        pieces = [*Segmenter(self._vocabulary).encode(source), END]
        languages = self._vocabulary.languages
        if languages:
            language = self._language or languages[0]
            pieces.insert(0, self._vocabulary.language_id(language))
        ids = np.array(pieces, np.int32)
        if "translate_ids" in program.endpoints:
            found = Hypotheses(**program("translate_ids", {"source": ids[None]}))
        else:
            found = self._searched(program, ids)
        return read_answers(self._vocabulary, pieces, found)

    def _searched(self, program: Program, source: np.ndarray) -> Hypotheses:
        memory, state = self._encoded(program, source)
        ids = source[source > 0]
        mask = np.arange(self._length) < len(ids)

        def step(tokens: np.ndarray, state: Arrays) -> Stepped:
            made = program(
                _STEP, {"tokens": tokens, **_named("state", state), **memory}
            )
            new = _unnamed("state", made)
            return Stepped(made["log_probs"], new, made["weights"])

        limit = int(max_lengths(tf.constant(len(ids)), self._search))
        found = search(step, state, limit, self._search, mask.astype(np.float32))
        return _stacked(found, limit)

    def _steps(self, program: Program, batch: Batch) -> Iterator[tuple[Arrays, Arrays]]:
        """What goes in and comes out of each step through the right translation."""
        memory, state = self._encoded(program, batch["source"][0])
        width = self._search.beam_width
        state = {name: np.repeat(x, width, axis=0) for name, x in state.items()}
        for token in batch["target"][0]:
            tokens = np.full(width, token, np.int32)
            inputs = {"tokens": tokens, **_named("state", state), **memory}
            outputs = program(_STEP, inputs)
            yield inputs, outputs
            state = _unnamed("state", outputs)

    def _encoded(self, program: Program, source: np.ndarray) -> tuple[Arrays, Arrays]:
        """Memory, by the names that a step takes, and the first state."""
        made = program(_ENCODE, {"source": self._filled(source)})
        state = _unnamed("state", made)
        memory = {name: x for name, x in made.items() if name.startswith("memory_")}
        return memory, state

    def _filled(self, source: np.ndarray) -> np.ndarray:
        """A source of the device's length, int32 [1, S]."""
        ids = source[source > 0]
        if len(ids) > self._length:
            raise DataError(
                "the sentence is too long for the device's encoder. Expected at most"
                f" {self._length} pieces, data.max_length. Received {len(ids)}."
            )
        return np.pad(ids, (0, self._length - len(ids)))[None].astype(np.int32)


def _named(kind: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{kind}_{name}": tensor for name, tensor in tensors.items()}


def _unnamed(kind: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    start = f"{kind}_"
    return {
        name.removeprefix(start): tensor
        for name, tensor in tensors.items()
        if name.startswith(start)
    }


def _stacked(found: list[Hypothesis], max_length: int) -> Hypotheses:
    """What was found of one example, as `beam_search` returns it."""

    def row(values: np.ndarray, fill: int) -> np.ndarray:
        return np.pad(values, (0, max_length - len(values)), constant_values=fill)

    return Hypotheses(
        np.stack([row(each.ids, 0) for each in found])[None],
        np.array([[len(each.ids) for each in found]], np.int32),
        np.array([[each.score for each in found]], np.float32),
        np.array([[each.log_prob for each in found]], np.float32),
        np.stack([row(each.alignment, -1) for each in found])[None],
        np.stack([each.coverage for each in found])[None],
    )
