"""What tensorflow-model-optimization does to a model; the worker alone imports this."""

import tempfile
from collections.abc import Callable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from export.model_optimization.rebuilding import variables_of
from export.model_optimization.rebuilding import weights_of

Train = Callable[[Any, Sequence[Any]], None]
"""Trains a model of the same inputs and outputs, with callbacks."""

_KERNELS = (tf_keras.layers.Conv2D, tf_keras.layers.Dense)
# Of the schedule; more often than that changes nothing.
_MOST_PRUNINGS = 100


class Result(NamedTuple):
    """What became of a model."""

    weights: dict[str, np.ndarray]
    """By the names of `rebuilding.weights_of`."""
    imitation: Any = None
    """The model that imitates 8 bits."""
    program: bytes | None = None
    """That model as a TFLite file."""


def prune(model: Any, train: Train, settings: Mapping[str, Any], steps: int) -> Result:
    """Makes small weights 0, more and more in the first half of `steps`."""
    end = max(1, steps // 2)
    every = max(1, end // _MOST_PRUNINGS)
    schedule = tfmot.sparsity.keras.PolynomialDecay(
        initial_sparsity=0.0,
        final_sparsity=settings["sparsity"],
        begin_step=0,
        end_step=end - end % every,
        frequency=every,
    )
    pruned = _with_kernels(
        model,
        lambda layer: tfmot.sparsity.keras.prune_low_magnitude(layer, schedule),
    )
    train(pruned, [tfmot.sparsity.keras.UpdatePruningStep()])
    return Result(weights_of(tfmot.sparsity.keras.strip_pruning(pruned)))


def cluster(
    model: Any, train: Train, settings: Mapping[str, Any], steps: int
) -> Result:
    """Gives the weights of a kernel few values, which learn."""
    start = tfmot.clustering.keras.CentroidInitialization.KMEANS_PLUS_PLUS

    def clustered(layer: Any) -> Any:
        count = min(settings["clusters"], int(tf.size(layer.kernel)))
        return tfmot.clustering.keras.cluster_weights(
            layer, number_of_clusters=count, cluster_centroids_init=start
        )

    made = _with_kernels(model, clustered)
    train(made, [])
    return Result(weights_of(tfmot.clustering.keras.strip_clustering(made)))


def quantize(
    model: Any, train: Train, settings: Mapping[str, Any], steps: int
) -> Result:
    """Has the model imitate 8 bits as it learns, then makes integers of it."""
    imitation = tfmot.quantization.keras.quantize_model(model)
    train(imitation, [])
    # Wrappers own the variables of the layers in them, under the old names.
    found = {each.name.removesuffix(":0"): each for each in imitation.weights}
    weights = {name: found[name].numpy() for name in variables_of(model)}
    return Result(weights, imitation, _integers(imitation))


METHODS: Mapping[str, Callable[[Any, Train, Mapping[str, Any], int], Result]] = {
    "prune": prune,
    "cluster": cluster,
    "quantize": quantize,
}
"""What `LibraryCompression.method` names."""


def _with_kernels(model: Any, wrapped: Callable[[Any], Any]) -> Any:
    """The model, its layers with kernels wrapped."""
    return tf_keras.models.clone_model(
        model,
        clone_function=lambda layer: (
            wrapped(layer) if isinstance(layer, _KERNELS) else layer
        ),
    )


def _integers(model: Any) -> bytes:
    """``classify(image: int8 [1, H, W, C]) -> logits: int8 [1, K]``, heads left out."""
    deployed = tf_keras.Model(model.inputs, model.outputs[0])
    image = tf.TensorSpec([1, *model.inputs[0].shape[1:]], tf.float32, "image")
    module = tf.Module()
    # Not the model, or each of its layers is saved as a function too.
    module.held = deployed.variables
    module.classify = tf.function(
        lambda image: {"logits": deployed(image, training=False)},
        input_signature=[image],
    )
    with tempfile.TemporaryDirectory() as folder:
        signatures = {"classify": module.classify}
        tf.saved_model.save(module, folder, signatures=signatures)
        converter = tf.lite.TFLiteConverter.from_saved_model(
            folder, signature_keys=["classify"]
        )
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
        return bytes(converter.convert())
