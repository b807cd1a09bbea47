"""What Tacotron computes: padding, self-consistency, voices, attention, counts."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import tfmodels
from tests.tfmodels.tacotron.small import MIXTURE
from tests.tfmodels.tacotron.small import batch
from tests.tfmodels.tacotron.small import build
from tfmodels.layers.lstm import LSTM
from tfmodels.tacotron.free_running import STOP_REASONS


@pytest.fixture(scope="module")
def model():
    return build()


@pytest.fixture(scope="module")
def outputs(model):
    return model(batch())


def close(left, right, atol=1e-5):
    np.testing.assert_allclose(left, right, atol=atol)


def test_padding_changes_nothing(model, outputs):
    longer = model(batch(symbols=9, frames=12))
    alone = model({name: value[1:2] for name, value in batch().items()})
    examples = batch()
    for row in range(3):
        frames, text = (
            int(examples["frames"][row]),
            int(examples["symbol_lengths"][row]),
        )
        steps = -(-frames // 2)
        parts = {
            "mel": slice(frames),
            "mel_post": slice(frames),
            "stop": slice(steps),
            "alignment": (slice(steps), slice(text)),
            "speaker_logits": slice(text),
            "residual_mean": slice(None),
            "residual_log_variance": slice(None),
        }
        for name, part in parts.items():
            expected = outputs[name][row].numpy()[part]
            close(longer[name][row].numpy()[part], expected)
            if row == 1:
                close(alone[name][0].numpy()[part], expected)
        assert not np.any(longer["alignment"][row].numpy()[:, text:])


def test_training_hears_only_its_own_seed(model):
    whole = model(batch(), training=True)
    again = model(batch(), training=True)
    close(whole["mel"], again["mel"], atol=0)
    other = {**batch(), "seed": batch()["seed"] + 1}
    assert np.abs(model(other, training=True)["mel"] - whole["mel"]).max() > 1e-3


@pytest.mark.parametrize("conditioning", ["decoder_input", "late_speaker", "memory"])
def test_the_speaker_leaves_encodings_alone(conditioning):
    model, source = build(conditioning=conditioning), batch()
    other = {**source, "speaker": tf.reverse(source["speaker"], [1])}
    one, two = model.encode(source), model.encode(other)
    width = 8
    np.testing.assert_array_equal(
        one["values"][..., :width], two["values"][..., :width]
    )
    same_keys = np.array_equal(one["keys"], two["keys"])
    assert same_keys == (conditioning != "memory")
    assert np.abs(model(source)["mel"] - model(other)["mel"]).max() > 1e-3


@pytest.mark.parametrize("conditioning", ["decoder_input", "late_speaker"])
@pytest.mark.parametrize("name", ["speaker", "language", "residual"])
def test_what_each_lstm_is_told(conditioning, name):
    model, source = build(conditioning=conditioning), batch()
    source["residual"] = tf.random.normal([3, 3])
    other = {**source, name: tf.reverse(source[name], [1])}

    def after_a_step(told):
        memory, noise = model.encode(told), model.decoder.noise(source["seed"], 1)
        state = model.initial_state(memory)
        return model.step(tf.zeros([3, 5]), state, memory, noise[:, 0])[1]

    one, two = after_a_step(source), after_a_step(other)
    assert np.abs(one["h2"] - two["h2"]).max() > 1e-4
    late = conditioning == "late_speaker" and name == "speaker"
    assert late == np.array_equal(one["h1"], two["h1"])
    assert late == np.array_equal(one["alignment"], two["alignment"])


def test_a_condition_that_decoders_are_not_fed_compiles():
    model, source = build(conditioning="memory"), batch()
    in_graph = tf.function(lambda: model(source)["mel"])
    close(in_graph(), model(source)["mel"])


def test_a_mixture_of_one_is_that_one(model):
    source = batch()
    memory = model.encode({**source, "speaker": tf.constant([[0.5, 0.5, 0]] * 3)})
    table = model.tables["speaker"].numpy()
    close(memory["condition"][:, :4], [table[:2].mean(0)] * 3)
    close(model.encode(source)["condition"][:, :4], table)


@pytest.mark.parametrize("attention", [{}, {"attention": MIXTURE}])
def test_synthesis_is_teacher_forcing_on_itself(attention):
    model, source = build(residual=None, **attention), batch()
    made = model.free_run(source, source["seed"], 12)
    taught = model(
        {**source, "mel": model.energies(made["mel"]), "frames": made["lengths"]}
    )
    for row, frames in enumerate(made["lengths"].numpy()):
        close(taught["mel"][row, :frames], made["mel"][row, :frames])
        close(taught["mel_post"][row, :frames], made["mel_post"][row, :frames])
        steps = frames // 2
        close(taught["alignment"][row, :steps], made["alignment"][row, :steps])


def test_synthesis_of_many_is_that_of_each(model):
    source = batch()
    many = model.free_run(source, source["seed"], 12)
    assert {STOP_REASONS[each] for each in many["stop_reason"].numpy()} <= {
        "stop",
        "end_of_text",
        "too_long",
    }
    for row in range(3):
        one = {name: value[row : row + 1] for name, value in source.items()}
        length = int(one["symbol_lengths"][0])
        one["symbols"], one["tones"] = (
            one["symbols"][:, :length],
            one["tones"][:, :length],
        )
        alone = model.free_run(one, one["seed"], 12)
        close(alone["energies"][0], many["energies"][row])
        assert alone["lengths"][0] == many["lengths"][row]
        assert alone["stop_reason"][0] == many["stop_reason"][row]


@pytest.mark.parametrize(("bias", "reason", "steps"), [(50.0, 1, 1), (-50.0, 3, 4)])
def test_reasons_to_stop(bias, reason, steps):
    model, source = build(), batch()
    model.decoder.stop_bias.assign([bias])
    # A flat attention is never on the last symbol of more than one.
    model.decoder.attention.score_kernel.assign(np.zeros((6, 1)))
    made = model.free_run(source, source["seed"], 4)
    np.testing.assert_array_equal(made["stop_reason"], [reason] * 3)
    np.testing.assert_array_equal(made["lengths"], [2 * steps] * 3)


def test_alignments(outputs):
    examples = batch()
    for row in range(3):
        steps = -(-int(examples["frames"][row]) // 2)
        shares = outputs["alignment"][row].numpy()[:steps]
        close(shares.sum(-1), 1)
        close(shares.sum(), steps)


@pytest.mark.parametrize("inputs", ["both", "cumulative"])
def test_attention_by_brute_force(inputs):
    changes = {"dim": 6, "filters": 3, "kernel": 5, "location_inputs": inputs}
    attention = build(attention={**changes, "bias": True}).decoder.attention
    random = np.random.default_rng(3)
    keys = random.normal(size=(1, 3, 6)).astype(np.float32)
    query = random.normal(size=(1, 8)).astype(np.float32)
    last, total = random.random((2, 1, 3)).astype(np.float32)
    memory = {"keys": tf.constant(keys), "mask": tf.constant([[1.0, 1.0, 1.0]])}
    found = attention.attender(memory)(query, last, total)
    energies = []
    for j in range(3):
        features = np.zeros(3)
        for place in range(5):
            i = j + place - 2
            if 0 <= i < 3:
                seen = [last[0, i], total[0, i]] if inputs == "both" else [total[0, i]]
                features += seen @ attention.filter_kernel.numpy()[place]
        hidden = query[0] @ attention.query_kernel.numpy() + keys[0, j]
        hidden = np.tanh(hidden + features @ attention.location_kernel.numpy())
        energies.append(float(hidden @ attention.score_kernel.numpy()[:, 0]))
    weights = np.exp(energies) / np.exp(energies).sum()
    close(found[0][0], weights)
    close(found[1], total + weights)


def test_long_texts_are_filtered_as_short_ones(model):
    memory = model.encode(batch())
    locate = model.decoder.attention._locator
    seen = tf.constant(np.random.default_rng(4).random((3, 6, 2)), tf.float32)
    long = tf.pad(memory["keys"], [[0, 0], [0, 44], [0, 0]])
    padded = tf.pad(seen, [[0, 0], [0, 44], [0, 0]])
    close(locate(memory["keys"])(seen), locate(long)(padded)[:, :6])


def test_the_post_net_in_chunks(model):
    reach = model.post.reach
    assert reach == 6
    mel = tf.constant(np.random.default_rng(5).normal(size=(1, 30, 5)), tf.float32)
    whole = model.postnet(mel)
    chunk = model.postnet(mel[:, 10 - reach : 20 + reach])
    close(chunk[:, reach:-reach], whole[:, 10:20], atol=1e-6)


def test_a_silent_post_net_adds_nothing():
    model = build()
    last = model.post.convolutions[-1]
    for weight in (last.kernel, last.bias, last.norm.gamma, last.norm.beta):
        weight.assign(np.zeros(weight.shape))
    last.norm.moving_mean.assign(np.zeros(5))
    outputs = model(batch())
    mask = np.arange(8) < batch()["frames"].numpy()[:, None]
    close(outputs["mel_post"], outputs["mel"] * mask[..., None], atol=0)


def test_tones():
    source = batch()
    other = {**source, "tones": source["tones"] * 0}
    aware, blind = build(), build(num_tones=None)
    assert np.abs(aware.encode(source)["values"] - aware.encode(other)["values"]).max()
    np.testing.assert_array_equal(
        blind.encode(source)["values"], blind.encode(other)["values"]
    )


PUBLIC = {
    "num_symbols": 148,
    "num_tones": None,
    "num_speakers": None,
    "num_languages": None,
    "mel_bins": 80,
    "encoder": {"zoneout_rate": 0.0},
    "decoder": {"regulariser": "dropout"},
    "residual": None,
    "classifier": None,
    "batch_norm": {"momentum": 0.9, "epsilon": 1e-5},
}


def counted(monkeypatch, **changes):
    def zeros(self, shape, dtype=None):
        return keras.ops.zeros(shape, dtype)

    monkeypatch.setattr(LSTM, "_each_gate", zeros)
    return tfmodels.build("tacotron", **changes)


@pytest.mark.slow
@pytest.mark.parametrize(("biases", "total"), [(2, 28_193_153), (1, 28_182_913)])
def test_counts_of_the_public_model(monkeypatch, biases, total):
    model = counted(monkeypatch, **PUBLIC, num_biases=biases)
    assert sum(v.numpy().size for v in model.trainable_weights) == total
    statistics = [v for v in model.non_trainable_weights if "moving" in v.path]
    assert sum(v.numpy().size for v in statistics) == 7328
    assert model.decoder.attention.count_params() == 202_816
    assert (
        model.post.count_params()
        - sum(v.numpy().size for v in model.post.non_trainable_weights)
        == 4_348_144
    )


@pytest.mark.slow
def test_counts_of_the_paper(monkeypatch):
    model = counted(monkeypatch)
    assert len({v.path for v in model.weights}) == len(model.weights)
    sizes = {v.path: v.numpy().size for v in model.trainable_weights}
    assert sum(sizes.values()) == 33_479_878
    only_training = ("residual_", "classifier")
    kept = {k: n for k, n in sizes.items() if not k.startswith(only_training)}
    assert sum(kept.values()) == 29_174_602
    assert model.residual_encoder.count_params() == 4_150_304
    assert model.classifier.count_params() == 154_972
