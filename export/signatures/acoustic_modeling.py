"""What is exported for acoustic modelling: frames in, scores of states, words out."""

import json
from collections.abc import Iterator
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.decoding import Recogniser
from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.signatures.agreement import same_best
from export.streaming import STEP
from export.streaming import stream
from tfmodels.acoustic.streaming import step_model
from tfmodels.acoustic.streaming import timing
from tfmodels.lattices.graph import Arcs
from tfmodels.lattices.graph import Graph
from tfmodels.lattices.graph import arcs
from tfmodels.lattices.viterbi import best_path
from trainers.data.stream import untuned
from trainers.data.utterances.sources import UtteranceSource
from trainers.data.utterances.sources import open_front_end
from trainers.data.utterances.sources import open_utterances
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.acoustic_modeling import with_labels

_DECODER, _FRONT_END = "decoder.json", "front_end.json"
# What makes a path of a graph; its type.
_OWN = {
    **dict.fromkeys(("source", "target", "pdf"), tf.int32),
    **dict.fromkeys(("weight", "initial", "final"), tf.float32),
}
# Neighbouring frames are alike: one step in so many is enough to calibrate with.
_APART = 5


class AcousticModelingSignatures:
    """SavedModel functions on utterances; one TFLite function on single steps.

    A step takes the next frames and what the layers remember, so that the device may
    recognise while somebody speaks. Its scores lack the softmax, whose sum is a
    constant of each frame and changes no path: an int8 softmax has a fixed step, and
    16x8 has none. The words are found by `export.decoding`, outside of the file.
    """

    accuracy = "word_accuracy"
    file_names: tuple[str, ...] = (_DECODER, _FRONT_END)
    floating: tuple[str, ...] = ()
    repeated: tuple[str, ...] = ()

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the recogniser's parts."""
        model: Any = experiment.model
        self._feature_dim: int = model.feature_dim
        self._num_pdfs: int = model.num_pdfs
        self._timing = timing(model)
        self._data: Any = experiment.training_stages()[-1].data
        self._recogniser = Recogniser.parse(files[_DECODER])
        self._front_end_made: Mapping[str, Any] = json.loads(files[_FRONT_END])

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """What a device must know, as JSON.

        The words, the phone of each output, the prior and the graph; and how frames
        are made.
        """
        hybrid = task.hybrid
        recogniser = Recogniser(
            hybrid.lexicon.words,
            hybrid.lexicon.phones.names,
            hybrid.phone_of_pdf,
            np.float32(task.config.prior_scale) * task.log_prior,
            task.config.acoustic_scale,
            Graph(**hybrid.graph._asdict()),
        )
        front_end = json.dumps(task.front_end.describe(), indent=1)
        return {_DECODER: recogniser.dump(), _FRONT_END: front_end}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The model without a head that only training needs."""
        return keras.Model(
            model.input, {"logits": model.output["logits"]}, name=model.name
        )

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """``score``, ``align``, ``decode``, and a single step for streaming.

        - ``score(features: float32 [B, T, D], lengths: int32 [B])`` returns
          ``log_likelihoods`` float32 [B, T', P], ``log p(k given x) - log P(k)``, not
          scaled, and ``lengths`` int32 [B], how many of them are of the utterance.
        - ``align(log_likelihoods, lengths, source, target, pdf, weight, initial,
          final)`` takes a graph of each utterance, int32 and float32 [B, A] and [B, I]
          as `tfmodels.lattices.graph.stack` makes them, and returns ``arc`` and ``pdf``
          int32 [B, T'] of the best path, -1 where there is none, and its ``score``.
        - ``decode(log_likelihoods, lengths)`` returns ``words`` int32 [B, T'], each in
          the frame where it begins, 0 elsewhere, and the ``text`` string [B].
        - ``score_step``: see `device`.
        """
        prior, scale = self._recogniser.prior, self._recogniser.acoustic_scale
        graph = arcs(self._recogniser.graph)
        names = tf.constant(("", *self._recogniser.words[1:]))

        def score(features: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
            inputs = {"features": features, "lengths": lengths}
            logits = model(inputs, training=False)["logits"]
            scored = -(-lengths // self._timing.frames)
            likelihoods = tf.nn.log_softmax(logits) - prior
            return {"log_likelihoods": likelihoods, "lengths": scored}

        def align(
            likelihoods: tf.Tensor, lengths: tf.Tensor, *graph: tf.Tensor
        ) -> dict[str, tf.Tensor]:
            # What phones and words its arcs are of does not matter to a path.
            labels = {"phone": graph[2], "word": graph[2]}
            own = Arcs(**dict(zip(_OWN, graph, strict=True)), **labels)
            path = best_path(scale * likelihoods, lengths, own)
            return {"arc": path.arc, "pdf": path.pdf, "score": path.score}

        def decode(likelihoods: tf.Tensor, lengths: tf.Tensor) -> dict[str, tf.Tensor]:
            words = tf.maximum(best_path(scale * likelihoods, lengths, graph).word, 0)
            spoken = tf.ragged.boolean_mask(tf.gather(names, words), words > 0)
            text = tf.strings.reduce_join(spoken, axis=-1, separator=" ")
            return {"words": words, "text": text}

        features = _spec("features", None, None, self._feature_dim)
        lengths = tf.TensorSpec([None], tf.int32, "lengths")
        scores = _spec("log_likelihoods", None, None, self._num_pdfs), lengths
        own = [tf.TensorSpec([None, None], kind, name) for name, kind in _OWN.items()]
        return {
            "score": Endpoint(score, (features, lengths)),
            "align": Endpoint(align, (*scores, *own)),
            "decode": Endpoint(decode, scores),
            STEP: self._step(model, None),
        }

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """``score_step(features: float32 [1, S, D], ...) -> scores [1, P], ...``.

        S frames, of which one is scored: see `preprocessing`. The scores are logits
        less the prior. What else goes in and comes out, by the same names, is what the
        layers remember: zeros at first, then what the step before returned.
        """
        return {STEP: self._step(model, 1)}

    def _step(self, model: keras.Model, batch: int | None) -> Endpoint:
        step = step_model(model, self._timing.frames)

        def score_step(*values: tf.Tensor) -> dict[str, tf.Tensor]:
            made = step(dict(zip(step.input, values, strict=True)), training=False)
            # A sum, for that is what the converter makes part of the bias.
            scores = made.pop("logits") + -self._recogniser.prior
            return {"scores": scores, **made}

        specs = (
            _spec(name, batch, *tensor.shape[1:]) for name, tensor in step.input.items()
        )
        return Endpoint(score_step, tuple(specs))

    def preprocessing(self) -> dict[str, Any]:
        """How frames are made, how they are fed, and what becomes of the scores."""
        return {
            "features": self._front_end_made,
            "streaming": {
                "frames_per_step": self._timing.frames,
                "lead": self._timing.lead,
                "delay": self._timing.delay,
                "order": "the first frame lead times, all frames, then the last until"
                " delay steps and one for each frame that is scored are done; the first"
                " delay scores are of no frame",
                "memory": "zeros at first, then what the step before returned",
            },
            "frame_subsampling": self._timing.frames,
            "scores": "logits less the prior: log likelihoods, but for a constant of"
            " each frame; times acoustic_scale they are added to the graph's weights",
            "acoustic_scale": self._recogniser.acoustic_scale,
            "decoder": _DECODER,
        }

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Steps through training utterances, one in five."""
        for batch in self.examples("train", count):
            there = np.flatnonzero(batch["weight"][:, 0])
            steps = stream(program, self._timing, batch["features"], batch["lengths"])
            for number, (inputs, _) in enumerate(steps):
                for row in there if number % _APART == 0 else ():
                    if number < self._timing.delay + batch["num_scored"][row]:
                        one = {k: v[row : row + 1] for k, v in inputs.items()}
                        yield STEP, one

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Utterances as evaluation sees them, all or `limit` at even distances."""
        source = self._source(split)
        count = min(limit, source.size)
        rows = -(-count // self._data.batch_size) * self._data.batch_size
        index = np.linspace(0, source.size, count, endpoint=False).astype(np.int64)
        # All batches of one size: what evaluates them is compiled once.
        record = {
            "index": np.pad(index, (0, rows - count)),
            "weight": np.arange(rows) < count,
        }
        batches = tf.data.Dataset.from_tensor_slices(record).batch(
            self._data.batch_size
        )

        def read(record: Batch) -> Batch:
            weight = tf.cast(record["weight"], tf.float32)
            batch = {**source.read(record["index"]), **record, "weight": weight}
            return with_labels(batch, self._timing.frames, source.is_aligned)

        return batches.map(read).with_options(untuned()).as_numpy_iterator()

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Log posteriors of every frame, float32 [b, T', P], whatever computes them."""
        return {"logits": self._posteriors(program, batch)}

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether the most probable state is the same, bool [b, T']."""
        return same_best(reference, outputs)

    def predict(self, program: Program, source: str) -> str:
        """The words of a recording, or of a made-up utterance by its number.

        Raises:
          DataError: there is no such thing.
        """
        features, lengths = (value.numpy() for value in self._front_end.open(source))
        inputs = {"features": features, "lengths": lengths}
        if "decode" in program.endpoints:
            answers = program("decode", program("score", inputs))
            return str(answers["text"][0].decode())
        scored = -(-int(lengths[0]) // self._timing.frames)
        posteriors = self._posteriors(program, inputs)[0, :scored]
        return self._recogniser.recognise(posteriors - self._recogniser.prior)

    def _posteriors(self, program: Program, inputs: Mapping[str, Any]) -> np.ndarray:
        features, lengths = inputs["features"], inputs["lengths"]
        if "score" in program.endpoints:
            named = {"features": features, "lengths": lengths}
            scores = program("score", named)["log_likelihoods"]
        else:
            steps = stream(program, self._timing, features, lengths)
            made = [outputs["scores"] for _, outputs in steps]
            scores = np.stack(made[self._timing.delay :], axis=1)
        return self._recogniser.log_posteriors(scores)

    def _source(self, split: str) -> UtteranceSource:
        return open_utterances(self._data, split)

    @cached_property
    def _front_end(self) -> Any:
        return open_front_end(self._front_end_made)


def _spec(name: str, *shape: int | None) -> tf.TensorSpec:
    return tf.TensorSpec(shape, tf.float32, name)
