"""Endpoints of a recogniser of speech: its front end, its loops and its search."""

from collections.abc import Callable
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from export.decoder_steps import DecoderSteps
from export.decoder_steps import Named
from export.interfaces import Endpoint
from export.stepwise import Stepwise
from export.transcribing import CHUNK
from tfmodels.audio.log_mel import LogMel
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.las.streaming import streams
from trainers.tasks.listening import Heard
from trainers.tasks.listening import Listener

RECOGNIZE, UNTOLD, ENCODE = "recognize", "recognize_untold", "encode"
"""Endpoints, besides those for streaming."""

_SEEN = ("keys", "values", "mask", "variety")


class Recognition:
    """Makes the endpoints; see `export.signatures.speech_recognition`.

    Args:
      model: the recogniser.
      log_mel: makes features of samples.
      listener: searches.
      config: how.
      batch: recordings that go in at once; any number if None.
      rows: hypotheses of a single step; any number if None.
    """

    def __init__(
        self,
        model: Any,
        log_mel: LogMel,
        listener: Listener,
        config: BeamSearchConfig,
        batch: int | None,
        rows: int | None,
    ) -> None:
        self._model, self._stepwise = model, Stepwise(model)
        self._log_mel, self._listener, self._config = log_mel, listener, config
        self._batch = batch
        self._steps = DecoderSteps(model, batch, rows)
        variety = [batch, model.config.num_varieties]
        self._sound = (
            tf.TensorSpec([batch, None], tf.float32, "audio"),
            tf.TensorSpec([batch], tf.int32, "audio_len"),
        )
        self._told = (*self._sound, tf.TensorSpec(variety, tf.float32, "variety"))

    def endpoints(self, finish: Callable[[Named], Named]) -> dict[str, Endpoint]:
        """All there are.

        Args:
          finish: makes of answers what is returned.
        """
        heard = self._listener

        def recognize(*inputs: tf.Tensor) -> Named:
            source = self._source(*inputs)
            return finish(_answers(heard.told(self._stepwise, source, self._config)))

        def recognize_untold(*inputs: tf.Tensor) -> Named:
            source = self._source(*inputs)
            return finish(_answers(heard.untold(self._stepwise, source, self._config)))

        made = {
            RECOGNIZE: Endpoint(recognize, self._told),
            UNTOLD: Endpoint(recognize_untold, self._sound),
            ENCODE: Endpoint(self._encode, self._told),
            **self._steps.endpoints(),
        }
        if streams(self._model.config):
            made[CHUNK] = self._chunk()
        # Their loops are TensorFlow's already, and to look for others takes seconds.
        as_it_is = tf.autograph.experimental.do_not_convert
        return {
            name: endpoint._replace(function=as_it_is(endpoint.function))
            for name, endpoint in made.items()
        }

    def _source(
        self,
        audio: tf.Tensor,
        audio_len: tf.Tensor,
        variety: tf.Tensor | None = None,
    ) -> Named:
        """What the model encodes."""
        features = self._log_mel(audio, audio_len)
        lengths = self._log_mel.num_frames(audio_len)
        source = {"features": features, "lengths": lengths}
        return source if variety is None else {**source, "variety": variety}

    def _encode(self, *inputs: tf.Tensor) -> Named:
        memory = self._model.encode(self._source(*inputs))
        seen = {name: memory[name] for name in _SEEN}
        return {**_named("memory", seen), **self._steps.first(memory)}

    def _chunk(self) -> Endpoint:
        past = self._model.first_chunk_state({"features": tf.zeros([1, 1, 1])})
        specs = [
            tf.TensorSpec([self._batch, *first.shape[1:]], first.dtype, f"past_{name}")
            for name, first in past.items()
        ]

        def stream_chunk(*inputs: tf.Tensor) -> Named:
            told, before = inputs[:3], dict(zip(past, inputs[3:], strict=True))
            memory, after = self._model.encode_chunk(self._source(*told), before)
            return {**_named("memory", memory), **_named("past", after)}

        return Endpoint(stream_chunk, (*self._told, *specs))


def _answers(heard: Heard) -> Named:
    found = heard.hypotheses
    return {
        "tokens": found.ids,
        "lengths": found.lengths,
        "scores": found.scores,
        "log_probs": found.log_probs,
        # Among those that were found.
        "confidence": tf.nn.softmax(found.log_probs),
        "alignments": found.alignments,
        "variety_posterior": heard.variety,
    }


def _named(kind: str, tensors: Mapping[str, Any]) -> dict[str, Any]:
    return {f"{kind}_{name}": tensor for name, tensor in tensors.items()}
