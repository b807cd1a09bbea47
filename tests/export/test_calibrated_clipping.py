"""Clipping that knows of inputs, on replicas, from commands: against NumPy by hand."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import export
from export.interfaces import Job
from export.optimal_clipping import walking
from export.optimal_clipping.calibration import Calibration
from export.optimal_clipping.examples import examples
from export.optimal_clipping.walking import quantize_model
from export.optimal_clipping.walking import round_model
from export.optimal_clipping.writing import write_clipped
from export.presets import PRESETS
from export.runtime import KerasProgram
from export.runtime import SavedModelProgram
from export.signatures.language_modeling import LanguageModelingSignatures
from tests.export.recognising import Opened
from tests.export.recognising import recogniser
from tests.tools.conftest import Command
from tests.tools.conftest import tfmodels  # noqa: F401
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization.compensation import compensate
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.policy import default_policy
from tfmodels.quantization.ranges import solve
from trainers.runs import Run
from trainers.runs import RunFolder
from trainers.runs import load_run
from trainers.strategies.config import DataParallelConfig
from trainers.strategies.config import PipelineConfig
from trainers.strategies.data_parallel.devices import local_replicas

RULE = ClippingRule(kind="linear", bits=3, group_size=8, calibration="compensation")


def two_layers() -> keras.Model:
    """Heads of 5 from 6 inputs, all of them summed over by a second layer."""
    keras.utils.set_random_seed(5)
    inputs = keras.Input((4, 6))
    x = keras.layers.EinsumDense("abc,cde->abde", (4, 3, 5), name="heads")(inputs)
    x = keras.layers.Activation("relu")(x)
    x = keras.layers.EinsumDense("abde,def->abf", (4, 7), name="together")(x)
    return keras.Model(inputs, x)


def batches() -> list[dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    mixed = random.normal(size=(6, 6))
    return [
        {
            "x": (random.normal(size=(5, 4, 6)) @ mixed).astype(np.float32),
            "weight": random.integers(0, 2, (5, 4)).astype(np.float32),
        }
        for _ in range(3)
    ]


def test_a_layer_is_calibrated_on_what_quantized_predecessors_give_it():
    model, data = two_layers(), batches()
    kernels = [layer.kernel.numpy() for layer in model.layers if layer.weights]
    calibration = Calibration(lambda batch: model(batch["x"]), data)
    figures = quantize_model(model, Policy((RULE,)), calibration=calibration)
    assert [layer.path for layer in figures] == ["heads", "together"]
    x = np.concatenate([batch["x"][batch["weight"] > 0] for batch in data])
    x = x.astype(np.float64)
    first = compensate(kernels[0].reshape(6, 15).T, x.T @ x / len(x), 3, "newton", 8)
    hidden = np.maximum(x @ first.dequantize().T.astype(np.float64), 0)
    moments = hidden.T @ hidden / len(x)
    second = compensate(kernels[1].reshape(15, 7).T, moments, 3, "newton", 8)
    for layer, codes in (("heads", first), ("together", second)):
        found = model.get_layer(layer)
        np.testing.assert_allclose(found.scale, codes.scale, rtol=0.01)
        np.testing.assert_allclose(found.rows(), codes.dequantize(), atol=2e-3)


def test_errors_count_as_much_as_their_inputs():
    data, plain = batches(), two_layers()
    kernel = plain.get_layer("heads").kernel.numpy().reshape(6, 15).T
    changes = {"layers": "heads", "calibration": "ranges", "method": "als"}
    rule = RULE.model_copy(update=changes)
    policy = Policy((rule, ClippingRule(keep=True)))
    model = two_layers()
    run = Calibration(lambda batch: model(batch["x"]), data)
    round_model(model, policy, run)
    x = np.concatenate([batch["x"][batch["weight"] > 0] for batch in data])
    importance = np.square(x.astype(np.float64)).mean(axis=0)
    low, high = solve(kernel, 3, "als", 8, importance)
    rounded = model.get_layer("heads").kernel.numpy().reshape(6, 15).T
    # The ends of a group's grid are its range, but for the rounding of the step.
    inside = (rounded >= low - 0.01) & (rounded <= high + 0.01)
    assert inside.all()
    weighed = ((rounded - kernel) ** 2 * importance).sum()
    other = two_layers()
    round_model(
        other,
        Policy(
            (rule.model_copy(update={"calibration": None}), ClippingRule(keep=True))
        ),
    )
    unweighed = other.get_layer("heads").kernel.numpy().reshape(6, 15).T
    assert weighed < ((unweighed - kernel) ** 2 * importance).sum()


def test_what_cannot_be_calibrated_is_named():
    tokens = keras.Input((4,), dtype="int32")
    x = keras.layers.Embedding(9, 12, name="table")(tokens)
    x = keras.layers.Dense(3, name="dense")(x)
    model = keras.Model(tokens, x)
    every = Policy((RULE.model_copy(update={"kind": None}),))
    data = [{"x": np.zeros((2, 4), np.int32), "weight": np.ones(2)}]
    calibration = Calibration(lambda batch: model(batch["x"]), data)
    with pytest.raises(ConfigError, match="table cannot be calibrated"):
        quantize_model(model, every, calibration=calibration)
    with pytest.raises(ConfigError, match="dense is to be calibrated"):
        quantize_model(model, Policy((RULE,)))
    looped = Calibration(tf.function(lambda batch: model(batch["x"])), data)
    with pytest.raises(ConfigError, match="in a loop"):
        quantize_model(model, Policy((RULE,)), calibration=looped)
    with pytest.raises(ConfigError, match="kind: table"):
        ClippingRule.parse({"kind": "table", "calibration": "ranges"})


def test_replicas_share_rows_and_change_nothing():
    # 12, 5 and 9 rows, of which four replicas get different numbers, or none.
    def model() -> keras.Model:
        keras.utils.set_random_seed(4)
        tokens = keras.Input((4,), dtype="int32")
        x = keras.layers.Embedding(9, 12, name="table")(tokens)
        x = keras.layers.Dense(12, name="hidden")(x)
        return keras.Model(tokens, keras.layers.Dense(2, name="output")(x))

    devices = tf.config.list_logical_devices("CPU")
    assert len(devices) == 4
    several = tf.distribute.MirroredStrategy(
        [device.name for device in devices],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    alone, shared = model(), model()
    figures = quantize_model(alone, default_policy(3))
    assert quantize_model(shared, default_policy(3), distribution=several) == figures
    for one, other in zip(alone.weights, shared.weights, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    broken = model()
    broken.get_layer("hidden").kernel.assign(np.full((12, 12), np.nan))
    with pytest.raises(DataError, match="hidden: not all weights"):
        quantize_model(broken, default_policy(3), distribution=several)


def test_texts_that_a_model_makes_up_are_likely_ones(sorting_run):
    run = load_run(
        sorting_run,
        ("export.calibration_source=model", "export.calibration_examples=40"),
    )
    made = examples(run.experiment, run.task, run.model)
    tokens = np.concatenate([batch["tokens"] for batch in made])
    assert tokens.shape == (40, 7)
    again = examples(run.experiment, run.task, run.model)
    np.testing.assert_array_equal(made[-1]["tokens"], again[-1]["tokens"])

    def nats(tokens: np.ndarray) -> float:
        scores = tf.nn.log_softmax(run.model(tokens)["logits"][:, :-1]).numpy()
        own = np.take_along_axis(scores, tokens[:, 1:, None], -1)
        return -float(own.mean())

    chance = np.random.default_rng(0).integers(0, 6, tokens.shape)
    assert nats(tokens) < 0.6 * nats(chance)


@pytest.mark.slow
def test_a_calibrated_export_and_the_comparison_of_methods(
    sorting_run,
    tmp_path,
    tfmodels: Command,  # noqa: F811
    monkeypatch,
):
    code, out, err = tfmodels(
        *("clipping", sorting_run, "--output", tmp_path / "table", "--bits", "2"),
        *("--method", "symmetric_minmax", "--method", "newton"),
        *("--method", "newton_compensated"),
    )
    assert code == 0, err
    table = json.loads((tmp_path / "table" / "methods.json").read_text())
    cells = {(c["method"], c["group_size"]): c for c in table["cells"]}
    assert len(cells) == 6
    assert (tmp_path / "table" / "methods.png").stat().st_size > 5000
    assert "newton_compensated" in out
    sqnr = {key: cell["sqnr"] for key, cell in cells.items()}
    assert sqnr["newton", 32] > sqnr["symmetric_minmax", 32] + 3
    divergence = {key: cell["divergence"] for key, cell in cells.items()}
    assert divergence["newton_compensated", None] < divergence["newton", None]
    code, _, err = tfmodels(
        "clipping", sorting_run, "--output", tmp_path / "x", "--method", "newtom"
    )
    assert code == 2
    assert "Did you mean newton" in err
    whole = ("--output", tmp_path / "x", "--group-size", "tensor", "--bits", "2")
    code, _, err = tfmodels("clipping", sorting_run, *whole)
    assert code == 2
    assert "cannot wait for compensated weights" in err
    code, out, err = tfmodels("clipping", sorting_run, *whole, "--method", "newton")
    assert code == 0, err
    (cell,) = json.loads((tmp_path / "x" / "methods.json").read_text())["cells"]
    assert cell["sqnr"] < sqnr["newton", None]
    # An export that is killed after its third matrix goes on with the fourth.
    solve_rows, solved = walking.solve_rows, []

    def dying(rows, name, **how):
        if len(solved) == 3:
            raise KeyboardInterrupt
        solved.append(name)
        return solve_rows(rows, name=name, **how)

    rules = "export.clipping=[{kind: linear, bits: 3, calibration: compensation}]"
    settings = ("--set", rules, "--set", "strategy.replicas=1")
    preset, output = "saved_model_int4_clipped", tmp_path / "out"
    monkeypatch.setattr(walking, "solve_rows", dying)
    with pytest.raises(KeyboardInterrupt):
        export.export(sorting_run, preset, output, settings[1::2])
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == [
        ".out.progress"
    ]
    again = []
    monkeypatch.setattr(
        walking,
        "solve_rows",
        lambda rows, name, **how: (
            again.append(name),
            solve_rows(rows, name=name, **how),
        )[1],
    )
    command = ("export", sorting_run, "--preset", preset, "--output", output)
    code, _, err = tfmodels(*command, *settings)
    assert code == 0, err
    assert not set(solved) & set(again)
    report = json.loads((tmp_path / "out" / "clipping.json").read_text())
    rule = {layer["path"]: layer["rule"] for layer in report["layers"]}
    assert rule["block1_attention_query"]["calibration"] == "compensation"
    assert [path.name for path in tmp_path.iterdir() if path.name[0] == "."] == []


@pytest.mark.slow
def test_a_recogniser_leaves_packed_too(tmp_path):
    experiment = recogniser(tmp_path)
    opened = Opened(experiment)
    run = Run(RunFolder(tmp_path), experiment, opened.task, opened.model, 0, {})
    job = Job(run, opened.model, opened.signatures, tmp_path, tmp_path / "progress")
    program = write_clipped(job, 8)
    report = json.loads((tmp_path / "clipping.json").read_text())
    paths = {layer["path"].rpartition("/")[2] for layer in report["layers"]}
    assert {"kernel", "recurrent_kernel", "embedding", "softmax"} <= paths
    assert report["answers"]["agreement"] > 0.8
    saved = SavedModelProgram(tmp_path / program["saved_model_clipped"])
    model = keras.saving.load_model(tmp_path / "clipped.keras", safe_mode=True)
    batch = next(iter(opened.signatures.examples("test", 1)))
    found = opened.signatures.outputs(saved, batch)
    plain = opened.signatures.outputs(
        KerasProgram(opened.signatures.serving(model.model)), batch
    )
    for name in plain:
        np.testing.assert_allclose(found[name], plain[name], rtol=1e-3, atol=1e-3)


@pytest.mark.slow
def test_weights_may_leave_clipped_and_in_floating_point(sorting_run, tmp_path):
    run = load_run(sorting_run, ("export.report_examples=0",))
    signatures = LanguageModelingSignatures(run.experiment, {})
    out = tmp_path
    options = PRESETS["saved_model_float_clipped"].options
    program = write_clipped(Job(run, run.model, signatures, out), **options)
    report = json.loads((out / "clipping.json").read_text())
    assert report["kept"] == []
    clipped = keras.saving.load_model(out / "clipped.keras", safe_mode=True)
    changed = {layer["path"]: layer["clipped"] for layer in report["layers"]}
    path = "block1_attention_query"
    one, other = (x.get_layer(path).kernel.numpy() for x in (clipped, run.model))
    assert (one != other).mean() == pytest.approx(changed[path])
    assert 0 < changed[path] < 0.5
    assert (abs(one) <= abs(other).max(axis=0)).all()
    saved = SavedModelProgram(out / program["saved_model_clipped"])
    tokens = np.zeros((1, 7), np.int32)
    found = saved("serve", {"tokens": tokens})["logits"]
    np.testing.assert_allclose(found, clipped(tokens)["logits"], atol=1e-5)


def test_only_replicas_of_this_machine_share_rows():
    shared = local_replicas(DataParallelConfig(devices="cpu", replicas=2))
    assert shared is not None
    assert shared.num_replicas_in_sync == 2
    assert local_replicas(DataParallelConfig(devices="cpu", replicas=99)) is None
    assert local_replicas(PipelineConfig()) is None
    cluster = DataParallelConfig(devices="cpu", multi_worker=True)
    assert local_replicas(cluster) is None
