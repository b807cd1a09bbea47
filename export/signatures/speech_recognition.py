"""What is exported for speech recognition: sound in; text and its variety out."""

import itertools
import json
from collections.abc import Collection
from collections.abc import Iterator
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.front_end import ExactLogMel
from export.interfaces import Arrays
from export.interfaces import Endpoint
from export.interfaces import Program
from export.recognition import ENCODE
from export.recognition import RECOGNIZE
from export.recognition import UNTOLD
from export.recognition import Recognition
from export.search import search
from export.stepping import ATTEND
from export.stepping import Steps
from export.stepping import Watched
from export.stepping import state_of
from export.transcribing import CHUNK
from export.transcribing import Chunks
from export.transcribing import Partial
from export.transcribing import Transcriber
from export.transcribing import transcribe
from tfmodels.decoding.beam_search import Hypotheses
from tfmodels.decoding.scores import max_lengths
from tfmodels.las.streaming import check_chunk
from tfmodels.las.streaming import frames_per_encoding
from tfmodels.las.streaming import streams
from tfmodels.text.graphemes import Graphemes
from trainers.data.speech.dataset import speech_dataset
from trainers.data.speech.front_end import FrontEnd
from trainers.data.speech.sources import open_speech
from trainers.experiment import Experiment
from trainers.interfaces import Batch
from trainers.tasks.beliefs import Beliefs
from trainers.tasks.language_models import open_language_models
from trainers.tasks.listening import Heard
from trainers.tasks.listening import Listener
from trainers.tasks.transcripts import Transcripts
from trainers.tasks.transcripts import read_transcripts

_GRAPHEMES = "graphemes.json"
_UNTOLD = ("audio", "audio_len")
_TOLD = (*_UNTOLD, "variety")
# What a part of a stream is, before it is rounded up to whole encodings.
_CHUNK_SECONDS = 0.3


class SpeechRecognitionSignatures:
    """Functions on samples of sound, front end and search included.

    The file for a device has the same for one recording, without text. Of calibrated
    ones a step's layers and scores alone become integers: no loop, no attention.
    """

    accuracy = "word_accuracy"
    file_names: tuple[str, ...] = (_GRAPHEMES,)
    floating: tuple[str, ...] = (RECOGNIZE, UNTOLD, ENCODE, ATTEND, CHUNK)
    repeated: tuple[str, ...] = ()

    def __init__(self, experiment: Experiment, files: Mapping[str, str]) -> None:
        """Takes the run's configuration and the table of graphemes."""
        task: Any = experiment.task
        self._model: Any = experiment.model
        data: Any = experiment.training_stages()[-1].data
        self._task, self._data = task, data
        self._seed = experiment.run.seed
        self._search = task.search.model_copy(update={"n_best": task.search.beam_width})
        self._graphemes = Graphemes.from_plain(json.loads(files[_GRAPHEMES]))
        self._listener = Listener(task, self._graphemes)
        self._front_end = FrontEnd(data)

    @staticmethod
    def files_of(task: Any) -> dict[str, str]:
        """The table of graphemes, as JSON."""
        plain = task.graphemes.plain()
        return {_GRAPHEMES: json.dumps(plain, ensure_ascii=False, indent=1)}

    def deployed(self, model: keras.Model) -> keras.Model:
        """The model itself."""
        return model

    def serving(self, model: keras.Model) -> dict[str, Endpoint]:
        """Those of `device` for B recordings; the first two also return ``text``.

        ``text`` is string [B, N]. Steps of the decoder take any number of rows.
        """
        surfaces = tf.constant(self._graphemes.surfaces)

        def with_text(found: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            texts = tf.gather(surfaces, found["tokens"])
            return {**found, "text": tf.strings.reduce_join(texts, axis=-1)}

        return self._recognition(model, None, None).endpoints(with_text)

    def device(self, model: keras.Model) -> dict[str, Endpoint]:
        """One recording of any length, whole or as it comes.

        - ``recognize(audio: float32 [1, L], audio_len: int32 [1], variety: float32 [1,
          K])``, samples from -1 to 1 and how far the recording is of each variety,
          returns ``tokens`` and ``alignments`` int32 [1, N, T], best first, ``lengths``
          int32 [1, N], ``scores``, ``log_probs`` and ``confidence`` float32 [1, N], the
          last adding up to 1, and ``variety_posterior`` float32 [1, K].
        - ``recognize_untold(audio, audio_len)`` returns the same where the variety is
          not known, as the run's configuration says.
        - ``encode(audio, audio_len, variety)`` returns what attention sees,
          ``memory_...`` [1, ...], and the first state, ``state_...`` [1, ...].
        - ``lowest_step(tokens: int32 [W], state_..., memory_variety)``, a row for each
          of W hypotheses, returns ``query`` [W, H] and the layer's new state.
        - ``attend(query, memory_...)`` returns ``state_context`` [W, C] and
          ``attention`` [W, S].
        - ``upper_step(query, state_context, state_..., memory_variety)`` returns
          ``logits`` [W, V], those of varieties, ``variety_logits`` [W, K], if there is
          a head, and the next ``state_upper_...``. See `export.stepping`.
        - ``stream_chunk(audio, audio_len, variety, past_...)``, of an encoder that only
          reads forward, returns the ``memory_...`` of some more sound, and what the
          next call takes as ``past_...``, which is 0 at first: see `preprocessing`.
        """
        width = self._search.beam_width
        return self._recognition(model, 1, width).endpoints(lambda found: found)

    def _recognition(
        self, model: Any, batch: int | None, rows: int | None
    ) -> Recognition:
        log_mel = ExactLogMel.from_config(self._front_end.log_mel.get_config())
        # An artefact holds them: they are opened here, where one is made.
        models = open_language_models(self._task.language_models, self._graphemes)
        listener = Listener(self._task, self._graphemes, models)
        return Recognition(model, log_mel, listener, self._search, batch, rows)

    @property
    def _chunks(self) -> Chunks:
        """How a stream is cut: into whole groups of frames that become encodings."""
        group = frames_per_encoding(self._model)
        log_mel, count = self._front_end.log_mel, self._front_end.num_samples
        hop = log_mel.hop
        wanted = round(_CHUNK_SECONDS * log_mel.sample_rate / hop)
        frames = -(-wanted // group) * group
        return Chunks(int(count(frames)), frames * hop, int(count(1)))

    def preprocessing(self) -> dict[str, Any]:
        """What samples are, what tokens mean, and how a stream is fed."""
        contract: dict[str, Any] = {
            "sample_rate": self._front_end.sample_rate,
            "audio": "samples from -1 to 1, one channel; features are made inside",
            "graphemes": _GRAPHEMES,
            "varieties": [each.name for each in self._graphemes.varieties],
            "search": self._search.plain(),
        }
        if streams(self._model):
            chunks = self._chunks
            contract["streaming"] = {
                "samples": chunks.size,
                "hop": chunks.hop,
                "order": "parts of so many samples, each begins hop samples after the"
                " one before; the last is filled up with 0, and audio_len says how many"
                " are there",
                "past": "zeros at first, then what the part before returned",
                "memory": "keys and values of all parts one after another, in axis 2,"
                " the mask in axis 1",
            }
        return contract

    def calibration(self, program: Program, count: int) -> Iterator[tuple[str, Arrays]]:
        """Every step through the right units of training utterances."""
        watched = Watched(program, self.floating)
        for batch in self._utterances("train", range(count)):
            made = self._encoded(program, batch)
            for _ in self._scores(watched, made, batch):
                yield from watched.calls
                watched.calls.clear()

    def examples(self, split: str, limit: int) -> Iterator[Batch]:
        """Utterances one by one, with their samples: all, or some spread over them."""
        chosen = open_speech(self._data, write=False).split(split)
        count = int(np.count_nonzero(chosen.bucket >= 0))
        wanted = np.linspace(0, count, min(limit, count), endpoint=False).astype(int)
        yield from self._utterances(split, wanted.tolist())

    def _utterances(self, split: str, numbers: Collection[int]) -> Iterator[Batch]:
        """Those of some numbers in a split's order, one by one, with their samples."""
        data = self._data.model_copy(update={"batch_size": 1, "last_batch": "pad"})
        source = open_speech(data, write=False)
        batches = speech_dataset(source, data, split, self._seed)
        corpus = source.split(split).corpus
        some = itertools.islice(batches.as_numpy_iterator(), max(numbers) + 1)
        for number, batch in enumerate(some):
            if number in numbers:
                length = corpus.utterances[batch["index"][0]].num_samples
                known = tf.constant(batch["index"]), tf.constant(batch["seed"])
                audio = corpus.audio(*known, tf.constant(length, tf.int32))
                samples = np.array([length], np.int32)
                yield {**batch, "audio": audio.numpy(), "audio_len": samples}

    def outputs(self, program: Program, batch: Batch) -> Arrays:
        """Scores of the right units, and the answers that searches find.

        There are two, in the program's graph and, with its steps, outside of it.
        """
        known = self._task.variety_known
        name, inputs = (RECOGNIZE, _TOLD) if known else (UNTOLD, _UNTOLD)
        found = program(name, {name: batch[name] for name in inputs})
        made = self._encoded(program, batch)
        allowed = Steps(program, made, self._allowed(batch["variety"][0]))
        mask = made["memory_mask"][0]
        limit = max_lengths(int(mask.sum()), self._search)
        best = search(allowed, state_of(made), limit, self._search, mask)
        scores = np.stack([*self._scores(program, made, batch)])
        padding = batch["target"].shape[1] - len(scores)
        return {
            "logits": np.pad(scores, [(0, padding), (0, 0)])[None],
            "recognised": found["tokens"],
            "found_by_steps": best[0].ids if best else np.zeros(0, np.int32),
            "variety_probs": found["variety_posterior"],
        }

    def _encoded(self, program: Program, batch: Batch) -> Arrays:
        return program(ENCODE, {name: batch[name] for name in _TOLD})

    def _scores(
        self, program: Program, made: Arrays, batch: Batch
    ) -> Iterator[np.ndarray]:
        """Log-probabilities, float32 [V], of what follows each right unit."""
        target = np.trim_zeros(batch["target"][0], "b")
        width = self._search.beam_width
        return Steps(program, made).told(state_of(made), target, width)

    def agreement(self, reference: Arrays, outputs: Arrays) -> np.ndarray:
        """Whether both whole answers are the same, bool [1, U] for all their units."""
        first, second = (
            [
                np.trim_zeros(ids, "b").tolist()
                for ids in (each["recognised"][0, 0], each["found_by_steps"])
            ]
            for each in (reference, outputs)
        )
        return np.full(reference["logits"].shape[:2], first == second)

    def predict(self, program: Program, source: str) -> Transcripts:
        """The best transcripts of a recording, of any rate and kind.

        Raises:
          DataError: see `FrontEnd.open`.
        """
        self._front_end.open(source)
        samples = self._front_end.read(Path(source))
        length = np.array([len(samples)], np.int32)
        found = program(UNTOLD, {"audio": samples[None], "audio_len": length})
        names = ("tokens", "lengths", "scores", "log_probs", "alignments")
        # What attention each part got is no part of a transcript.
        values = [*(found[name] for name in names), None]
        hypotheses = Hypotheses(*values)
        heard = Heard(hypotheses, found["variety_posterior"])
        step = frames_per_encoding(self._model)
        return read_transcripts(self._graphemes, heard, step)

    def stream(self, program: Program, source: str) -> Iterator[Partial]:
        """What is understood of a recording, part by part, as if somebody spoke.

        Raises:
          ConfigError: the encoder sees what is not spoken yet.
          DataError: see `FrontEnd.open`.
        """
        check_chunk(self._model, None)
        self._front_end.open(source)
        samples = self._front_end.read(Path(source))
        yield from transcribe(self.transcriber(program), samples, self._chunks.hop)

    def transcriber(
        self, program: Program, variety: np.ndarray | None = None
    ) -> Transcriber:
        """Recognises sound as it comes.

        Args:
          program: has this class's endpoints.
          variety: float32 [K]; what is believed of varieties when None.
        """
        known = None if variety is None else Beliefs(variety[None])
        told, hop = known or self._listener.beliefs, self._front_end.log_mel.hop
        return Transcriber(
            *(program, self._graphemes, self._search, self._chunks),
            lambda place: told.at(place // hop),
            self._allowed(told.possible),
        )

    def _allowed(self, variety: np.ndarray) -> np.ndarray:
        """Units that may be said, bool [V], where the variety is known to be some."""
        if not self._task.restrict_characters:
            return np.ones(self._graphemes.size, bool)
        shares = zip(self._graphemes.varieties, variety, strict=True)
        return self._graphemes.mask([each.name for each, share in shares if share])
