"""What is exported for translation: sentences in and out; single steps for a device."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any
from unicodedata import normalize

import keras
import numpy as np
import tensorflow as tf
import tensorflow_text

from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.translating import ATTEND
from export.translating import ENCODE
from export.translating import LOWEST
from export.translating import SEEN
from export.translating import UPPER
from export.translating import DeviceTranslator
from export.translating import Run
from export.translating import stacked
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.translation import translate
from tfmodels.text.in_graph import GraphSegmenter
from tfmodels.text.segmentation import Segmenter
from tfmodels.text.vocabulary import END
from tfmodels.text.vocabulary import START
from tfmodels.text.vocabulary import Vocabulary
from trainers.data.parallel.dataset import parallel_dataset
from trainers.data.parallel.sources import open_parallel
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.answers import Answers
from trainers.tasks.answers import read_answers

_VOCABULARY = "vocabulary.json"


class TranslationSignatures:
    """SavedModel functions on text; for the device an encoder and one decoder step.

    A step scores what may follow each of W hypotheses, W being the beam's width; the
    search itself is in NumPy, outside of the file (arXiv 1609.08144, section 7).
    """

    accuracy = "token_accuracy"
    file_names: tuple[str, ...] = (_VOCABULARY,)
    floating: tuple[str, ...] = (ENCODE, ATTEND)
    repeated: tuple[str, ...] = ()

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the vocabulary."""
        task: Any = experiment.task
        data: Any = experiment.training_stages()[-1].data
        self._data = data
        self._seed = experiment.run.seed
        width = task.search.beam_width
        self._wiring = experiment.model.plain()["wiring"]
        self._search = task.search.model_copy(update={"n_best": width})
        self._language: str | None = task.target_language
        self._length: int = data.max_length
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
            pieces = segmenter.encode(tensorflow_text.normalize_utf8(text, "NFC"))
            ends = tf.ones_like(pieces[:, :1]) * END
            parts = [pieces, ends]
            if language is not None:
                equal = language[:, None] == tf.constant(languages)
                known = tf.debugging.Assert(
                    tf.reduce_all(tf.reduce_any(equal, axis=1)),
                    [f"target_language must be one of {', '.join(languages)}"],
                )
                with tf.control_dependencies([known]):
                    equal = tf.identity(equal)
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
            "translate": Endpoint(from_text, tuple(texts), (segmenter,)),
            "translate_ids": Endpoint(from_ids, (source,)),
            "score": Endpoint(score, (source, target)),
        }

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """The encoder, and a step of the decoder in three parts.

        - ``encode(source: int32 [1, S])`` returns what attention sees, ``memory_...``
          [1, ...], and the first state, ``state_...`` [1, ...].
        - ``lowest_step(tokens: int32 [W], state_lstm, state_context)``, a row for each
          of W hypotheses, returns ``lowest`` [W, 2, H], the layer's new state.
        - ``attend(query: [W, H], memory_...)`` returns ``context`` [W, H] and
          ``shares`` [W, S]. It stays in floating point (section 6).
        - ``upper_step(lowest, context, state_lstm)`` returns ``logits`` [W, V] and the
          next ``state_lstm``.

        What goes where is the wiring's affair: see `export.translating`.
        """
        decoder, shared = model.decoder, model.new_pass(training=False)
        width = self._search.beam_width

        def encode(source: tf.Tensor) -> dict[str, tf.Tensor]:
            memory = model.encode(source)
            state = model.initial_state(memory)
            return {**_named("memory", memory), **_named("state", state)}

        source = tf.TensorSpec([1, self._length], tf.int32, "source")
        made = tf.function(encode).get_concrete_function(source).structured_outputs

        def specs(*names: str) -> list[tf.TensorSpec]:
            return [
                tf.TensorSpec(
                    [width if name.startswith("state_") else 1, *made[name].shape[1:]],
                    made[name].dtype,
                    name,
                )
                for name in names
                if name in made
            ]

        def lowest_step(tokens: tf.Tensor, *state: tf.Tensor) -> dict[str, tf.Tensor]:
            # Bounded before they are looked up: 16x8 has no such operation alone.
            table = shared.clip(tf.convert_to_tensor(model.target_embedding))
            given = dict(zip(("lstm", "context"), state, strict=False))
            x = tf.gather(table, tokens)
            return {"lowest": decoder.lowest_step(x, given, shared)}

        def attend(query: tf.Tensor, *memory: tf.Tensor) -> dict[str, tf.Tensor]:
            names = (name.removeprefix("memory_") for name in SEEN)
            known = dict(zip(names, memory, strict=True))
            return decoder.attend(query, known)._asdict()

        def upper_step(
            lowest: tf.Tensor, context: tf.Tensor, lstm: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            x, lstm = decoder.upper_step(lowest, context, lstm, shared)
            return {"logits": model.logits(x), "state_lstm": lstm}

        hidden, dtype = made["state_lstm"].shape[-1], made["state_lstm"].dtype
        tokens = tf.TensorSpec([width], tf.int32, "tokens")
        query = tf.TensorSpec([width, hidden], dtype, "query")
        lowest = tf.TensorSpec([width, 2, hidden], dtype, "lowest")
        context = tf.TensorSpec([width, hidden], dtype, "context")
        seen = specs(*SEEN)
        lstm = specs("state_lstm")
        return {
            ENCODE: Endpoint(encode, (source,)),
            LOWEST: Endpoint(lowest_step, (tokens, *lstm, *specs("state_context"))),
            ATTEND: Endpoint(attend, (query, *seen)),
            UPPER: Endpoint(upper_step, (lowest, context, *lstm)),
        }

    def preprocessing(self) -> dict[str, Any]:
        """How a sentence becomes ids, and how the search goes on."""
        return {
            "vocabulary": _VOCABULARY,
            "source": f"ids of the text in NFC, then {END}, padded to {self._length}"
            " with 0; before them the target language's id, if there are languages",
            "search": self._search.plain(),
            "first_token": START,
            "end": END,
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Every step through the right translations of training pairs."""
        calls: list[tuple[str, Arrays]] = []

        def watched(endpoint: str, inputs: Mapping[str, Any]) -> Arrays:
            calls.append((endpoint, dict(inputs)))
            return program(endpoint, inputs)

        translator = self._translator(watched)
        for batch in self._batches("train").take(count).as_numpy_iterator():
            for _ in translator.told(batch["source"][0], batch["target"][0]):
                yield from calls
                calls.clear()

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Pairs as evaluation sees them, one at a time; all or `limit` of them."""
        source, rows = open_parallel(self._data), self._data.batch_size
        size = source.examples(split).size
        wanted = np.linspace(0, size, min(limit, size), endpoint=False).astype(int)
        batches = parallel_dataset(source, self._data, split, self._seed)
        for number, batch in enumerate(batches.as_numpy_iterator()):
            for row in range(rows):
                if number * rows + row in wanted:
                    yield {k: _trimmed(v[row : row + 1]) for k, v in batch.items()}

    def _batches(self, split: str) -> tf.data.Dataset:
        data = self._data.model_copy(update={"batch_size": 1})
        return parallel_dataset(open_parallel(data), data, split, self._seed)

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Logits of the right translation; the best one found, int32 [1, T]."""
        if "score" in program.endpoints:
            made = program("score", {k: batch[k] for k in ("source", "target")})
            found = program("translate_ids", {"source": batch["source"]})
            return {"logits": made["logits"], "translation": found["ids"][:, 0]}
        translator, source = self._translator(program), batch["source"][0]
        logits = np.stack([*translator.told(source, batch["target"][0])])
        best = translator.search(source)[0]
        return {"logits": logits[None], "translation": best.ids[None]}

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
        text = normalize("NFC", source)
        pieces = [*Segmenter(self._vocabulary).encode(text), END]
        languages = self._vocabulary.languages
        if languages:
            only = languages[0] if len(languages) == 1 else None
            language = self._vocabulary.language_id(self._language or only)
            pieces.insert(0, language)
        ids = np.array(pieces, np.int32)
        if "translate_ids" in program.endpoints:
            found = Hypotheses(**program("translate_ids", {"source": ids[None]}))
        else:
            found = stacked(self._translator(program).search(ids))
        return read_answers(self._vocabulary, pieces, found)

    def _translator(self, run: Run) -> DeviceTranslator:
        return DeviceTranslator(run, self._length, self._wiring, self._search)


def _named(kind: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{kind}_{name}": tensor for name, tensor in tensors.items()}


def _trimmed(values: np.ndarray) -> np.ndarray:
    """A row without the padding that only other rows of its batch need."""
    return values if values.ndim == 1 else values[:, : np.count_nonzero(values)]
