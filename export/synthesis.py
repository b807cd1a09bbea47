"""Endpoints of a synthesiser: its parts for a host's loop, and all of it at once."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from export.interfaces import Endpoint
from tfmodels.tacotron.config import MixtureConfig
from tfmodels.text.symbols import Symbols
from trainers.tasks.speaking import sayer
from trainers.tasks.vocoders import Vocoder
from trainers.tasks.vocoders import resources_of

SYNTHESIZE, MEL, TEXT = "synthesize", "synthesize_mel", "synthesize_text"
"""Endpoints of whole texts."""
ENCODE, STEP, POSTNET = "encode", "decode_step", "postnet"
"""Endpoints around which a host loops."""

Named = dict[str, tf.Tensor]


class Synthesis:
    """Makes the endpoints; see `export.signatures.speech_synthesis`.

    Spectra that go in and out are log energies, so that a host needs no statistics.

    Args:
      model: the synthesiser.
      batch: texts at once; any number if None.
    """

    def __init__(self, model: Any, batch: int | None) -> None:
        self._model, self._config = model, model.config
        config = model.config
        text = [batch, None]
        self._source = [
            tf.TensorSpec(text, tf.int32, "symbols"),
            tf.TensorSpec(text, tf.int32, "tones"),
            tf.TensorSpec([batch], tf.int32, "symbol_lengths"),
            tf.TensorSpec([batch, config.num_speakers or 0], tf.float32, "speaker"),
            tf.TensorSpec([batch, config.num_languages or 0], tf.float32, "language"),
        ]
        if config.residual:
            shape = [batch, config.residual.dim]
            self._source.append(tf.TensorSpec(shape, tf.float32, "residual"))
        self._batch = batch
        self._is_fed = any(config.fed_dims)

    def parts(self) -> dict[str, Endpoint]:
        """What a host chains."""
        config = self._config
        frame = tf.TensorSpec([self._batch, config.mel_bins], tf.float32, "frame")
        noise = [self._batch, 2, config.decoder.prenet_dim]
        spoken = tf.TensorSpec([self._batch, None, config.mel_bins], name="frames")
        return _as_they_are(
            {
                ENCODE: Endpoint(self._encode, tuple(self._source)),
                STEP: Endpoint(
                    self._step,
                    (frame, tf.TensorSpec(noise, name="noise"), *self._seen()),
                ),
                POSTNET: Endpoint(self._postnet, (spoken,)),
            }
        )

    def whole(self, vocoder: Vocoder, symbols: Symbols) -> dict[str, Endpoint]:
        """What makes sound of texts at once.

        Args:
          vocoder: makes sound of spectra.
          symbols: what texts are made of; written ones go in where a graph can read
            them.
        """
        say, held = sayer(self._model, vocoder), resources_of(vocoder)
        seed = tf.TensorSpec([self._batch, 2], tf.int64, "seed")
        names = [spec.name for spec in self._source]

        def synthesize(*inputs: tf.Tensor) -> Named:
            source = dict(zip([*names, "seed"], inputs, strict=True))
            return say(source)

        def synthesize_mel(*inputs: tf.Tensor) -> Named:
            made = synthesize(*inputs)
            return {n: x for n, x in made.items() if not n.startswith("audio")}

        made = {
            SYNTHESIZE: Endpoint(synthesize, (*self._source, seed), held),
            MEL: Endpoint(synthesize_mel, (*self._source, seed)),
        }
        if symbols.kind != "phonemes":
            made[TEXT] = self._of_text(symbols, synthesize, seed, held)
        return _as_they_are(made)

    def _of_text(
        self,
        symbols: Symbols,
        synthesize: Callable[..., Named],
        seed: tf.TensorSpec,
        held: tuple[Any, ...],
    ) -> Endpoint:
        # It brings the operations of tensorflow-text, which other endpoints can do
        # without.
        from tfmodels.text.symbols_in_graph import GraphSymbols

        table = GraphSymbols(symbols)

        def synthesize_text(text: tf.Tensor, *inputs: tf.Tensor) -> Named:
            found = table.encode(text)
            ids = found.to_tensor()
            lengths = tf.cast(found.row_lengths(), tf.int32)
            return synthesize(ids, tf.zeros_like(ids), lengths, *inputs)

        text = tf.TensorSpec([self._batch], tf.string, "text")
        return Endpoint(
            synthesize_text, (text, *self._source[3:], seed), (table, *held)
        )

    def _encode(self, *inputs: tf.Tensor) -> Named:
        names = [spec.name for spec in self._source]
        memory = self._model.encode(dict(zip(names, inputs, strict=True)))
        state = self._model.initial_state(memory)
        rows = tf.shape(memory["mask"])[0]
        first = tf.zeros([rows, self._config.mel_bins])
        seen = [spec.name for spec in self._seen() if spec.name.startswith("memory_")]
        return {
            **{name: memory[name.removeprefix("memory_")] for name in seen},
            **{f"state_{name}": each for name, each in state.items()},
            "frame": self._model.energies(first),
        }

    def _seen(self) -> list[tf.TensorSpec]:
        """State and memory, as `_encode` makes them."""
        config, batch = self._config, self._batch
        hidden, width = config.decoder.hidden_dim, config.memory_dim
        shapes = {f"state_{name}": [hidden] for name in ("h1", "c1", "h2", "c2")}
        shapes |= {
            "state_context": [width],
            "state_alignment": [None],
            "state_cumulative": [None],
            "memory_values": [None, width],
            "memory_mask": [None],
        }
        if isinstance(config.attention, MixtureConfig):
            shapes["state_cumulative"] = [config.attention.components]
        else:
            shapes["memory_keys"] = [None, config.attention.dim]
        if self._is_fed:
            shapes["memory_condition"] = [config.condition_dim]
        return [
            tf.TensorSpec([batch, *shape], tf.float32, name)
            for name, shape in shapes.items()
        ]

    def _step(self, frame: tf.Tensor, noise: tf.Tensor, *seen: tf.Tensor) -> Named:
        parts: dict[str, Named] = {"state": {}, "memory": {}}
        for spec, each in zip(self._seen(), seen, strict=True):
            kind, _, name = spec.name.partition("_")
            parts[kind][name] = each
        model = self._model
        made, after = model.step(model.normalised(frame), **parts, noise=noise)
        return {
            "frames": model.energies(made.frames),
            "stop": made.stop[:, 0],
            "alignment": made.alignment[:, 0],
            **{f"state_{name}": each for name, each in after.items()},
        }

    def _postnet(self, frames: tf.Tensor) -> Named:
        model = self._model
        return {"energies": model.energies(model.postnet(model.normalised(frames)))}


def _as_they_are(endpoints: dict[str, Endpoint]) -> dict[str, Endpoint]:
    """Without a look for loops, which are TensorFlow's already."""
    keep = tf.autograph.experimental.do_not_convert
    return {
        name: endpoint._replace(function=keep(endpoint.function))
        for name, endpoint in endpoints.items()
    }
