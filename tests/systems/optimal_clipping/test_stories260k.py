"""The published stories260K: what its own program says, spec of optimal clipping."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from typer.testing import CliRunner

import export
from tfmodels.transformer.caching import CachedTransformer
from tools import cli
from trainers.runs import Run
from trainers.runs import load_run

PUBLISHED = Path("data/stories260k")
STARTS = "Once upon a time, there was a little girl named Lily. She loved to play"
SHA256 = "beeb5cb46785efee81a8545300b31e396b595e5ce6f3b77db201545501981d14"

pytestmark = pytest.mark.skipif(
    not PUBLISHED.exists(), reason="data/stories260k, the published weights, is absent"
)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Run:
    workdir = tmp_path_factory.mktemp("stories") / "run"
    command = [
        *("convert", "transformer", str(PUBLISHED / "stories260K.bin")),
        *("optimal_clipping/stories260k", "--workdir", str(workdir)),
    ]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert (workdir / "pieces.json").exists()
    return load_run(workdir)


def test_what_it_says_after_the_start_and_in_two_hundred_steps(run: Run):
    cached = CachedTransformer(run.model, run.experiment.model)
    step = tf.function(cached.step, autograph=False)
    keys = values = tf.zeros(cached.shape)
    numbers = [1]
    for place in range(200):
        found = step(tf.constant([[numbers[-1]]]), tf.constant([place]), keys, values)
        keys, values = found["keys"], found["values"]
        logits = found["logits"][0, 0].numpy()
        if place == 0:
            assert logits.argmax() == 403
            assert logits[403] == pytest.approx(17.0235, abs=1e-4)
            assert logits[1] == pytest.approx(8.40434, abs=1e-4)
        numbers.append(int(logits.argmax()))
    assert numbers[:13] == [
        1,
        403,
        407,
        261,
        378,
        432,
        383,
        286,
        261,
        376,
        298,
        315,
        421,
    ]
    text = run.task.show(numbers)
    assert text.startswith(STARTS)
    assert len(text) == 464
    assert hashlib.sha256(text.encode()).hexdigest() == SHA256


def test_the_perplexity_of_its_stories(run: Run):
    model = tf.function(lambda tokens: run.model(tokens)["logits"], autograph=False)
    nats = count = 0.0
    for batch in run.task.dataset("test").as_numpy_iterator():
        scores = tf.nn.log_softmax(model(batch["tokens"])).numpy()
        chosen = np.take_along_axis(scores, batch["label"][..., None], -1)[..., 0]
        nats -= float((chosen * batch["weight"]).sum())
        count += float(batch["weight"].sum())
    assert count == 1804
    assert np.exp(nats / count) == pytest.approx(3.548, abs=5e-4)


@pytest.mark.slow
def test_the_exported_file_tells_the_same_story(run: Run, tmp_path: Path):
    artefact = tmp_path / "out"
    export.export(run.folder.path, "tflite_float32", artefact)
    loaded = export.load(artefact)
    whole = loaded.predict("")
    assert hashlib.sha256(whole[:464].encode()).hexdigest() == SHA256
    assert (artefact / "model.tflite").stat().st_size < 1_550_000
    result = CliRunner().invoke(
        cli.app, ["predict", str(artefact), "Once upon a time"], catch_exceptions=False
    )
    assert ", there was a little girl named Lily." in result.output


@pytest.mark.slow
def test_the_packed_file_is_small_and_still_tells_stories(run: Run, tmp_path: Path):
    artefact = tmp_path / "out"
    export.export(run.folder.path, "tflite_int4_clipped", artefact)
    verification = export.verify(artefact)
    assert verification.failures == ()
    keras, *_, packed = verification.checks
    assert packed.kind == "tflite"
    assert packed.num_bytes <= 445_000
    assert packed.metrics["perplexity"] <= 3.85
    assert keras.metrics["perplexity"] == pytest.approx(3.548, abs=5e-4)
    loaded = export.load(artefact)
    assert set(loaded.device.endpoints) == {"prefill", "decode"}
    parts = [*loaded.parts("Once upon a time")]
    assert len(parts) > 300
    assert "".join(parts) == loaded.predict("Once upon a time")
    assert "".join(parts).startswith(", there was a little girl named")
    found = CliRunner().invoke(
        cli.app, ["verify", str(artefact)], catch_exceptions=False, terminal_width=200
    )
    assert f"perplexity {packed.metrics['perplexity']:.4g}" in found.output
