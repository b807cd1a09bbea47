"""Runs a translation model of integers through the endpoints of a device."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from export.integer.arithmetic import UNIT
from export.integer.bundle import Bundle
from export.integer.translation import IntegerGNMT
from export.interfaces import Arrays
from export.interfaces import Shapes
from export.manifest import EndpointEntry
from export.manifest import ProgramEntry
from export.manifest import Quantization
from export.manifest import TensorEntry


class IntegerProgram:
    """The endpoints of `export.translating`, for any number of rows.

    Inside, states are int16; callers see the real values that they stand for, and may
    hand these back without loss.
    """

    def __init__(self, path: Path) -> None:
        """Reads the model.

        Args:
          path: a folder that `export.integer.writing.write_integer` wrote.

        Raises:
          DataError: a file is missing or damaged.
        """
        bundle = Bundle.load(path)
        self._facts = bundle.facts
        self._model = IntegerGNMT.of(bundle)
        self._runs = {
            "encode": self._encode,
            "lowest_step": self._lowest_step,
            "attend": self._attend,
            "upper_step": self._upper_step,
        }
        self.endpoints = tuple(self._runs)

    def inputs(self, endpoint: str) -> Shapes:
        """Shapes of what one endpoint takes."""
        entries = self._entries()[endpoint].inputs
        return {name: entry.shape for name, entry in entries.items()}

    def describe(self, path: str) -> ProgramEntry:
        """Its part of the manifest."""
        return ProgramEntry(path=path, endpoints=self._entries())

    def __call__(self, endpoint: str, inputs: Mapping[str, Any]) -> Arrays:
        """Runs one endpoint on named arrays."""
        arrays = {name: np.asarray(array) for name, array in inputs.items()}
        return self._runs[endpoint](arrays)

    @property
    def _fed(self) -> bool:
        return bool(self._facts["wiring"] != "bottom_query")

    def _encode(self, inputs: Arrays) -> Arrays:
        model, source = self._model, inputs["source"]
        states, finals = model.encode(source)
        encodings = model.to_real(states)
        keys = model.attention.keys(encodings)
        mask = (source > 0).astype(np.float32)
        first = np.zeros([len(source), len(model.decoder), 2, model.width], np.float32)
        if self._facts["init_state"] == "encoder_final":
            first = model.to_real(finals)
        made = {
            "memory_encodings": encodings,
            "memory_keys": keys,
            "memory_mask": mask,
            "state_lstm": first,
        }
        if self._fed:
            context, shares = np.zeros_like(first[:, 0, 0]), np.zeros_like(mask)
            if self._facts["first_context"] == "attention":
                context, shares = model.attention.attend(context, encodings, keys, mask)
            made["state_context"] = context
            if self._facts["wiring"] == "paper":
                made["state_attention"] = shares
        return made

    def _lowest_step(self, inputs: Arrays) -> Arrays:
        model, context = self._model, None
        if self._fed:
            context = model.to_int16(inputs["state_context"])
        state = model.to_int16(inputs["state_lstm"])
        lowest = model.lowest_step(inputs["tokens"], context, state)
        return {"lowest": model.to_real(lowest)}

    def _attend(self, inputs: Arrays) -> Arrays:
        memory = (inputs[f"memory_{name}"] for name in ("encodings", "keys", "mask"))
        context, shares = self._model.attention.attend(inputs["query"], *memory)
        return {"context": context, "shares": shares}

    def _upper_step(self, inputs: Arrays) -> Arrays:
        model = self._model
        names = ("lowest", "context", "state_lstm")
        logits, state = model.upper_step(*(model.to_int16(inputs[n]) for n in names))
        return {"logits": logits, "state_lstm": model.to_real(state)}

    def _entries(self) -> dict[str, EndpointEntry]:
        """The contract; a state is exact in int16, and attention in float32."""
        model = self._model
        width, depth = model.width, len(model.decoder)
        scale = Quantization(scale=model.delta / UNIT, zero_point=0)

        def state(*shape: int | None) -> TensorEntry:
            sizes = (None, *shape, width)
            return TensorEntry(shape=sizes, dtype="int16", quantization=scale)

        def real(*shape: int | None) -> TensorEntry:
            return TensorEntry(shape=(None, *shape), dtype="float32")

        def ids(*shape: int | None) -> TensorEntry:
            return TensorEntry(shape=(None, *shape), dtype="int32")

        lstm = {"state_lstm": state(depth, 2)}
        memory = {
            "memory_encodings": state(None),
            "memory_keys": real(None, len(model.attention.score)),
            "memory_mask": real(None),
        }
        found = {"context": real(width), "shares": real(None)}
        first = {"state_context": real(width)} if self._fed else {}
        if self._facts["wiring"] == "paper":
            first["state_attention"] = real(None)
        fed = {"state_context": state()} if self._fed else {}
        lowest = {"lowest": state(2)}
        after = {"logits": real(len(model.softmax.values)), **lstm}
        return {
            name: EndpointEntry(inputs=inputs, outputs=outputs)
            for name, inputs, outputs in (
                ("encode", {"source": ids(None)}, {**memory, **lstm, **first}),
                ("lowest_step", {"tokens": ids(), **lstm, **fed}, lowest),
                ("attend", {"query": state(), **memory}, found),
                ("upper_step", {**lowest, "context": state(), **lstm}, after),
            )
        }
