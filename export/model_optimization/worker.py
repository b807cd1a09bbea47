"""A process that trains a model with tensorflow-model-optimization; never imported.

``python -m export.model_optimization.worker FOLDER``. The folder holds ``job.json``,
``weights.npz`` and ``probe.npy``; batches come through standard input, one after the
other: images float32, labels int32, weights float32. It prints a line an epoch and
leaves ``result.npz``, ``outputs.npz`` and, for ``quantize``, ``model.tflite``.
"""

import json
import math
import sys
from collections.abc import Iterator
from collections.abc import Mapping
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tf_keras

from export.model_optimization.methods import METHODS
from export.model_optimization.rebuilding import load_weights
from export.model_optimization.rebuilding import rebuild


def _batches(job: Mapping[str, Any]) -> Iterator[tuple[Any, Any, Any]]:
    """Images, one-hot labels and weights, the latter two for each output."""
    shape, count = tuple(job["batch_shape"]), len(job["loss_weights"])
    classes = np.eye(job["num_classes"], dtype=np.float32)
    for _ in range(job["settings"]["epochs"] * job["steps_per_epoch"]):
        images = _read(shape, np.float32)
        labels = _read(shape[:1], np.int32)
        weights = _read(shape[:1], np.float32)
        yield images, [classes[labels]] * count, [weights] * count


def _read(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    size = math.prod(shape) * np.dtype(dtype).itemsize
    content = sys.stdin.buffer.read(size)
    if len(content) < size:
        raise EOFError("the process that sends training data has ended")
    return np.frombuffer(content, dtype).reshape(shape)


class _Tell(tf_keras.callbacks.Callback):
    """Prints how an epoch went."""

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Called by tf-keras."""
        hits = next(value for name, value in logs.items() if name.endswith("accuracy"))
        print(
            f"epoch {epoch + 1}/{self.params['epochs']}  loss {logs['loss']:.4f}  top1"
            f" {hits:.4f}",
            flush=True,
        )


def _train(model: Any, callbacks: Sequence[Any], job: Mapping[str, Any]) -> None:
    settings, outputs = job["settings"], len(job["loss_weights"])
    loss = tf_keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=job["label_smoothing"]
    )
    model.compile(
        tf_keras.optimizers.Adam(settings["learning_rate"]),
        loss=[loss] * outputs,
        loss_weights=job["loss_weights"],
        metrics=[["accuracy"], *[[]] * (outputs - 1)],
    )
    model.fit(
        _batches(job),
        epochs=settings["epochs"],
        steps_per_epoch=job["steps_per_epoch"],
        callbacks=[*callbacks, _Tell()],
        verbose=0,
    )


def _main(folder: Path) -> None:
    tf_keras.utils.set_random_seed(0)
    job = json.loads((folder / "job.json").read_text(encoding="utf-8"))
    probe = np.load(folder / "probe.npy")
    names = job["description"]["outputs"]
    outputs: dict[str, np.ndarray] = {}

    def look(when: str, model: Any) -> None:
        answers = model(probe, training=False)
        answers = answers if len(names) > 1 else [answers]
        for name, values in zip(names, answers, strict=True):
            outputs[f"{when}/{name}"] = values.numpy()

    model = rebuild(job["description"])
    with np.load(folder / "weights.npz") as arrays:
        load_weights(model, arrays)
    look("before", model)
    settings = job["settings"]
    result = METHODS[settings["method"]](
        model,
        lambda wrapped, callbacks: _train(wrapped, callbacks, job),
        settings,
        settings["epochs"] * job["steps_per_epoch"],
    )
    # Another one: the library leaves the layers of the first without their kernels.
    smaller = rebuild(job["description"])
    load_weights(smaller, result.weights)
    look("after", smaller)
    if result.imitation is not None:
        look("imitation", result.imitation)
    if result.program is not None:
        (folder / "model.tflite").write_bytes(result.program)
    weights: Any = result.weights
    np.savez(folder / "result.npz", **weights)
    answers: Any = outputs
    np.savez(folder / "outputs.npz", **answers)


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
