"""Clipping and packing of whole models: rules, reports, resuming, what leaves."""

import json
import resource

import keras
import numpy as np
import pytest
from scipy import special

import export
from export.loading import Artefact
from export.optimal_clipping import walking
from export.optimal_clipping.allocation import within_budget
from export.optimal_clipping.figures import figures_of
from export.optimal_clipping.figures import write_figures
from export.optimal_clipping.walking import clip_model
from export.optimal_clipping.walking import quantize_model
from export.verification import verify_artefact
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.quantization.policy import ClippingRule
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.policy import default_policy
from tfmodels.quantization.targets import solve_rows
from tfmodels.quantization.targets import targets
from trainers.runs import load_run

FOUR = default_policy(4)


def small() -> keras.Model:
    """A table, attention, and a nested model; 12 inputs to a head."""
    keras.utils.set_random_seed(3)
    tokens = keras.Input((4,), dtype="int32", name="tokens")
    x = keras.layers.Embedding(9, 12, name="table")(tokens)
    x = keras.layers.MultiHeadAttention(2, 6, name="attention")(x, x)
    inside = keras.Sequential(
        [keras.Input((4, 12)), keras.layers.Dense(12, name="hidden")], name="inside"
    )
    return keras.Model(tokens, keras.layers.Dense(5, name="output")(inside(x)))


def answers(model: keras.Model) -> np.ndarray:
    return model(np.arange(8, dtype=np.int32).reshape(2, 4)).numpy()


def test_rules_reach_every_layer_by_name_and_kind():
    found = {target.path: target.rule for target in targets(small(), FOUR)}
    bits = {path: rule.bits for path, rule in found.items()}
    attention = ("query", "key", "value", "attention_output")
    assert bits == {
        "table": 8,
        "output": 8,
        "inside/hidden": 4,
        **{f"attention/{part}": 4 for part in attention},
    }
    kept = (
        ClippingRule(layers="attention/.*", keep=True),
        ClippingRule(layers=".*/hidden", bits=3, method="als"),
    )
    found = {t.path: t.rule for t in targets(small(), default_policy(4, kept))}
    assert sorted(found) == ["inside/hidden", "output", "table"]
    assert found["inside/hidden"].method == "als"
    with pytest.raises(ConfigError, match="nothing to quantize"):
        targets(small(), Policy((ClippingRule(keep=True),)))
    with pytest.raises(ConfigError, match="regular expression"):
        ClippingRule.parse({"layers": "(("})


def test_figures_of_the_example_by_hand():
    rows = np.array([[-1, 0, 1, 2, 3, 10]], np.float32)
    rule = ClippingRule(bits=2, group_size=None)
    figures = figures_of("w", rule, rows, *solve_rows(rows, rule, "w"))
    # l = -9/20, u = 189/20: both ends lose 11/20, a step is 33/10.
    assert (figures.low, figures.high) == pytest.approx((-0.45, 9.45))
    assert figures.clipped == pytest.approx(2 / 6)
    assert figures.clipping_noise == pytest.approx(2 * 0.55**2 / 6)
    assert figures.rounding_noise == pytest.approx(3.3**2 / 12)
    assert figures.error == pytest.approx(0.6091667, rel=0.01)
    assert figures.packed_bytes == 2 + 8
    assert sum(figures.counts) == 6


def test_a_clipped_model_stays_in_floating_point(tmp_path):
    model = small()
    hidden = model.get_layer("inside").get_layer("hidden")
    before = hidden.kernel.numpy()
    figures = clip_model(model, FOUR)
    after = hidden.kernel.numpy()
    mine = next(layer for layer in figures if layer.path == "inside/hidden")
    changed = before != after
    assert changed.mean() == pytest.approx(mine.clipped)
    assert np.square(before - after).mean() == pytest.approx(mine.clipping_noise)
    # One group to a column: 12 inputs are fewer than 32.
    assert np.all(after.max(axis=0) < before.max(axis=0))
    write_figures(figures, tmp_path)
    assert (tmp_path / "clipping.png").stat().st_size > 5000
    written = json.loads((tmp_path / "clipping.json").read_text())
    assert len(written["layers"]) == 7
    assert "inside/hidden" in (tmp_path / "clipping.txt").read_text()


def test_a_killed_job_goes_on_where_it_was(tmp_path, monkeypatch):
    expected = small()
    figures = quantize_model(expected, FOUR)
    solve_rows = walking.solve_rows
    solved = []

    def dying(rows, name, **how):
        if len(solved) == 3:
            raise KeyboardInterrupt
        solved.append(name)
        return solve_rows(rows, name=name, **how)

    monkeypatch.setattr(walking, "solve_rows", dying)
    with pytest.raises(KeyboardInterrupt):
        quantize_model(small(), FOUR, tmp_path)
    # Of the three that are finished, one file is damaged.
    first, *done = sorted(solved)
    file = json.loads((tmp_path / "progress.json").read_text())[first]["file"]
    (tmp_path / file).write_bytes((tmp_path / file).read_bytes()[:-9])
    again = []
    monkeypatch.setattr(
        walking,
        "solve_rows",
        lambda rows, name, **how: (
            again.append(name),
            solve_rows(rows, name=name, **how),
        )[1],
    )
    model = small()
    assert quantize_model(model, FOUR, tmp_path) == figures
    assert first in again
    assert not set(done) & set(again)
    np.testing.assert_array_equal(answers(model), answers(expected))
    # Other weights, or another rule, are other layers.
    again.clear()
    quantize_model(small(), default_policy(3), tmp_path)
    assert len(again) == 5


def test_weights_that_are_no_numbers_are_named():
    model = small()
    output = model.get_layer("output")
    output.kernel.assign(np.full(output.kernel.shape, np.nan))
    with pytest.raises(DataError, match="output: not all weights"):
        quantize_model(model, FOUR)


def test_a_full_disk_leaves_no_half_export(sorting_run, tmp_path):
    # As on a disk that is full, no file may grow: nothing is half-written.
    model = load_run(sorting_run).model
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1500, before[1]))
    try:
        with pytest.raises(DataError, match="free space"):
            quantize_model(model, FOUR, tmp_path / "progress")
        with pytest.raises(DataError, match="free space"):
            export.export(sorting_run, "saved_model_int4_clipped", tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not (tmp_path / "out").exists()
    assert {path.name for path in tmp_path.iterdir()} <= {"progress", ".out.progress"}


def test_a_budget_gives_each_layer_its_bits():
    model = small()
    # A layer of large weights gains most from a bit.
    hidden = model.get_layer("inside").get_layer("hidden")
    hidden.kernel.assign(hidden.kernel * 50)
    every = [within_budget(model, FOUR, budget) for budget in (10**6, 1100)]
    bits = [{t.path: t.rule.bits for t in targets(model, rules)} for rules in every]
    assert set(bits[0].values()) == {8}
    assert bits[1]["inside/hidden"] == 8
    assert min(bits[1].values()) < 4
    figures = quantize_model(model, every[1])
    assert sum(layer.packed_bytes for layer in figures) <= 1100


@pytest.fixture(scope="module", params=[4, pytest.param(8, marks=pytest.mark.slow)])
def packed(sorting_artefact, request) -> Artefact:
    """A language model that sorts, in packed weights."""
    return export.load(sorting_artefact(f"saved_model_int{request.param}_clipped"))


def test_what_leaves_has_packed_weights_only(packed):
    def size(name: str) -> int:
        path = f"{name}/variables/variables.data-00000-of-00001"
        return packed.manifest.files[path].bytes

    assert packed.manifest.device == "saved_model_clipped"
    report = json.loads((packed.path / "clipping.json").read_text())
    layers = report["layers"]
    saved = sum(layer["float_bytes"] - layer["packed_bytes"] for layer in layers)
    assert size("saved_model") - size("saved_model_clipped") >= 0.9 * saved
    # Norms, biases and positions stay as they are; nothing else does.
    kinds = {each["path"].rpartition("/")[2] for each in report["kept"]}
    assert kinds == {"gamma", "beta", "bias", "positions"}
    floats = sum(layer["float_bytes"] for layer in layers)
    floats += sum(each["num_bytes"] for each in report["kept"])
    plain = keras.saving.load_model(packed.path / "model.keras", safe_mode=True)
    assert floats == 4 * plain.count_params()


def test_the_report_compares_answers_with_those_of_before(packed):
    answers = json.loads((packed.path / "clipping.json").read_text())["answers"]
    programs = packed.reference(), packed.programs["saved_model_clipped"]
    nats = count = same = 0.0
    for batch in packed.signatures.examples("test", 50):
        p, q = (
            special.log_softmax(packed.signatures.outputs(each, batch)["logits"], -1)
            for each in programs
        )
        weight = batch["weight"]
        nats += float((weight * (np.exp(p) * (p - q)).sum(-1)).sum())
        same += float((weight * (p.argmax(-1) == q.argmax(-1))).sum())
        count += float(weight.sum())
    assert answers["weight"] == count
    assert answers["divergence"] == pytest.approx(nats / count, rel=1e-3, abs=1e-7)
    assert answers["agreement"] == pytest.approx(same / count)
    assert answers["before"]["perplexity"] <= answers["after"]["perplexity"] + 1e-3


def test_what_leaves_is_verified(packed):
    assert verify_artefact(packed, 100).failures == ()


def test_keras_and_saved_model_answer_alike(packed):
    model = keras.saving.load_model(packed.path / "clipped.keras", safe_mode=True)
    batch = next(iter(packed.signatures.examples("test", 1)))
    answer = packed.predict("3 1 2")
    assert answer
    tokens = batch["tokens"]
    saved = packed.programs["saved_model_clipped"]("serve", {"tokens": tokens})
    np.testing.assert_allclose(saved["logits"], model(tokens)["logits"], atol=1e-5)
