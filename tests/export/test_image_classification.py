"""The functions exported for image classification, on real photographs and digits."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn import datasets

from export.calibration import balanced
from export.calibration import representative_inputs
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.saved_model import write_saved_model
from export.signatures import signatures_class
from export.signatures.image_classification import ImageClassificationSignatures
from tests.export.small import build
from tests.trainers.small import SMALL
from tfmodels.classification.pixels import normalize_pixels
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.configuration import read_yaml
from trainers.data.images.arrays import load_digits
from trainers.data.images.decoding import decode_file
from trainers.experiment import Experiment

LABELS = {"labels.txt": "\n".join("0123456789")}
SHAPE = (24, 24, 3)
CROP = 0.875


def signatures_for(**changes) -> ImageClassificationSignatures:
    values = read_yaml(SMALL, "small.yaml")
    for section, fields in changes.items():
        values[section].update(fields)
    return ImageClassificationSignatures(Experiment.parse(values), LABELS)


@pytest.fixture(scope="module")
def digits() -> ImageClassificationSignatures:
    return signatures_for()


@pytest.fixture(scope="module")
def colour_model() -> keras.Model:
    keras.utils.set_random_seed(5)
    return build(input_shape=list(SHAPE), input_scaling="torch", heads=[])


@pytest.fixture(scope="module")
def served(colour_model, tmp_path_factory) -> SavedModelProgram:
    """A SavedModel for colour images with the classic crop."""
    signatures = signatures_for(
        model={"input_shape": list(SHAPE), "input_scaling": "torch", "heads": []},
        data={"crop_fraction": CROP, "augmentation": {"kind": "none"}},
    )
    folder = tmp_path_factory.mktemp("served")
    write_saved_model(colour_model, signatures.serving(colour_model), folder)
    return SavedModelProgram(folder)


@pytest.fixture(scope="module")
def photographs(tmp_path_factory) -> list:
    """Two real photographs, 427 x 640: one as JPEG, one as PNG."""
    folder = tmp_path_factory.mktemp("photographs")
    china, flower = datasets.load_sample_images().images
    paths = [folder / "china.jpg", folder / "flower.png"]
    paths[0].write_bytes(tf.io.encode_jpeg(china).numpy())
    paths[1].write_bytes(tf.io.encode_png(flower).numpy())
    return paths


def test_files_are_prepared_as_evaluation_prepares_them(
    served, colour_model, photographs
):
    pixels = np.stack([decode_file(path, SHAPE, CROP) for path in photographs])
    expected = colour_model(normalize_pixels(pixels, "torch"))["logits"].numpy()
    encoded = [path.read_bytes() for path in photographs]
    received = served("serve_encoded", {"encoded": encoded})
    np.testing.assert_allclose(received["logits"], expected, atol=1e-5)


def test_pixels_are_prepared_as_files_are(served, photographs):
    # PNG: what it decodes to is what was encoded.
    encoded = photographs[1].read_bytes()
    image = tf.io.decode_png(encoded).numpy()
    from_pixels = served("serve", {"images": image[None]})
    from_file = served("serve_encoded", {"encoded": [encoded]})
    assert from_pixels.keys() == from_file.keys()
    for name, values in from_pixels.items():
        np.testing.assert_allclose(values, from_file[name], atol=1e-5)


def test_the_default_signature_is_serve(served):
    assert set(served.endpoints) == {
        "serve",
        "serve_encoded",
        "features",
        "serving_default",
    }
    images = np.random.default_rng(0).integers(0, 256, (2, 30, 40, 3), np.uint8)
    answers = served("serve", {"images": images})
    for name, values in served("serving_default", {"images": images}).items():
        np.testing.assert_array_equal(values, answers[name])


def test_scores_are_ranked_probabilities(served):
    images = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), np.uint8)
    answers = served("serve", {"images": images})
    logits = answers["logits"].astype(np.float64)
    softmax = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(answers["probabilities"], softmax, atol=1e-6)
    order = np.argsort(-softmax, axis=1)[:, :5]
    np.testing.assert_array_equal(answers["classes_top5"], order)
    np.testing.assert_allclose(
        answers["scores_top5"], np.take_along_axis(softmax, order, 1), atol=1e-6
    )


def test_features_are_the_named_endpoints(served, colour_model):
    images = np.random.default_rng(0).integers(0, 256, (2, 24, 24, 3), np.uint8)
    features = served("features", {"images": images})
    assert set(features) == set(colour_model.endpoints)
    assert {"conv1", "3a", "pool", "logits"} <= set(features)
    logits = served("serve", {"images": images})["logits"]
    np.testing.assert_allclose(features["logits"], logits, atol=1e-5)


def test_preprocessing_states_the_published_constants():
    colour = signatures_for(model={"input_shape": [8, 8, 3], "input_scaling": "torch"})
    stated = colour.preprocessing()
    # The mean and deviation of ImageNet's pixels, as everybody uses them.
    expected = np.array([0.485, 0.456, 0.406]) * 255
    assert stated["mean"] == pytest.approx(expected, rel=1e-4)
    expected = np.array([0.229, 0.224, 0.225]) * 255
    assert stated["deviation"] == pytest.approx(expected, rel=1e-4)
    assert stated["channels"] == "RGB"


def test_calibration_takes_training_images_of_every_class_equally(digits):
    train = load_digits("train")
    inputs = representative_inputs(digits, KerasProgram({}), 100)
    known = {
        image.tobytes(): int(target)
        for image, target in zip(
            normalize_pixels(train.images, "inception").numpy(),
            train.targets,
            strict=True,
        )
    }
    classes = Counter(known[arrays["image"].tobytes()] for _, arrays in inputs)
    assert {name for name, _ in inputs} == {"classify"}
    assert classes == dict.fromkeys(range(10), 10)
    again = representative_inputs(digits, KerasProgram({}), 100)
    np.testing.assert_array_equal(inputs[7][1]["image"], again[7][1]["image"])


def test_few_calibration_examples_are_warned_of(digits, caplog):
    representative_inputs(digits, KerasProgram({}), 20)
    assert "export.calibration_examples" in caplog.text


def test_calibration_without_examples_is_a_data_error(digits, monkeypatch):
    monkeypatch.setattr(digits, "calibration", lambda program, count: iter(()))
    with pytest.raises(DataError, match="training split"):
        representative_inputs(digits, KerasProgram({}), 20)


def test_balancing_leaves_unreadable_examples_out():
    examples = [
        {"label": [label], "weight": [weight], "number": number}
        for number, (label, weight) in enumerate(
            [(0, 0.0), (0, 1.0), (0, 1.0), (0, 1.0), (1, 1.0), (2, 1.0), (1, 1.0)]
        )
    ]
    taken = [batch["number"] for batch in balanced(examples, 3, 5)]
    assert taken == [1, 2, 4, 5, 6]


def test_examples_cover_a_split_once_in_order(digits):
    test = load_digits("test")
    batches = list(digits.examples("test", 10**6))
    images = np.concatenate([batch["image"] for batch in batches])
    labels = np.concatenate([batch["label"] for batch in batches])
    np.testing.assert_array_equal(images, test.images)
    np.testing.assert_array_equal(labels, test.targets)


def test_sampled_examples_are_spread_over_the_split(digits):
    labels = np.concatenate([b["label"] for b in digits.examples("test", 36)])
    np.testing.assert_array_equal(labels, load_digits("test").targets[::10])


def test_damaged_files_have_no_weight(tmp_path):
    for split in ("train", "test"):
        for digit in range(10):
            folder = tmp_path / split / str(digit)
            folder.mkdir(parents=True)
            image = np.full((5 + digit, 9, 1), digit, np.uint8)
            (folder / "a.png").write_bytes(tf.io.encode_png(image).numpy())
    (tmp_path / "test" / "3" / "a.png").write_bytes(b"damaged")
    signatures = signatures_for()
    folder = {"kind": "image_folder", "path": str(tmp_path), "test": "test"}
    values = {**read_yaml(SMALL, "small.yaml"), "data": {**folder, "batch_size": 2}}
    signatures = ImageClassificationSignatures(Experiment.parse(values), LABELS)
    batches = list(signatures.examples("test", 100))
    assert [float(batch["weight"][0]) for batch in batches] == [
        float(digit != 3) for digit in range(10)
    ]
    assert batches[4]["image"].shape == (1, 9, 9, 1)


def test_the_device_gets_one_normalised_image_and_gives_logits(digits):
    model = build()
    endpoint = digits.device(model)["classify"]
    assert endpoint.inputs[0].shape == (1, 8, 8, 1)
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 1)).astype(np.float32)
    outputs = KerasProgram(digits.device(model))("classify", {"image": image})
    assert list(outputs) == ["logits"]
    np.testing.assert_allclose(
        outputs["logits"], model(image)["logits"].numpy(), atol=1e-5
    )


def test_a_task_without_signatures_is_a_config_error():
    with pytest.raises(ConfigError, match=r"task\.kind"):
        signatures_class("telepathy")
