"""Weights of llama2.c, and Llama's and GPT-2's, against computations in NumPy."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import tfmodels
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from tfmodels.transformer.config import TransformerConfig
from tools import cli
from tools.convert.architectures import GPT2
from tools.convert.architectures import LLAMA
from tools.convert.language_models import read_transformer
from tools.convert.safetensors import read_safetensors
from trainers.runs import load_run
from trainers.state import named_variables

D, HIDDEN, LAYERS, HEADS, GROUPS, V, T = 8, 12, 2, 2, 1, 11, 6
H = D // HEADS
SIZES = {
    "vocabulary_size": V,
    "max_length": T,
    "num_layers": LAYERS,
    "model_dim": D,
    "num_heads": HEADS,
    "feed_forward_dim": HIDDEN,
}
OF_LLAMA = {**SIZES, **LLAMA, "num_key_value_heads": GROUPS, "tie_embeddings": True}
OF_GPT2 = {**SIZES, **GPT2}
TOKENS = [3, 7, 10, 0, 5, 2]


def drawn(shapes: dict[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    random = np.random.default_rng(8)
    made = {name: random.normal(size=shape) for name, shape in shapes.items()}
    return {name: np.float32(x) for name, x in made.items()}


def safetensors(arrays: dict[str, np.ndarray], header: Any = None) -> bytes:
    entries, data = {}, b""
    for name, x in arrays.items():
        place = [len(data), len(data) + x.nbytes]
        shape = list(x.shape)
        entries[name] = {"dtype": "F32", "shape": shape, "data_offsets": place}
        data += x.tobytes()
    text = json.dumps(entries if header is None else header).encode()
    return len(text).to_bytes(8, "little") + text + data


def llama_arrays() -> dict[str, np.ndarray]:
    shapes = {"model.embed_tokens.weight": (V, D), "model.norm.weight": (D,)}
    narrow = GROUPS * H
    for n in range(LAYERS):
        at = f"model.layers.{n}"
        shapes |= {
            f"{at}.input_layernorm.weight": (D,),
            f"{at}.post_attention_layernorm.weight": (D,),
            f"{at}.self_attn.q_proj.weight": (D, D),
            f"{at}.self_attn.k_proj.weight": (narrow, D),
            f"{at}.self_attn.v_proj.weight": (narrow, D),
            f"{at}.self_attn.o_proj.weight": (D, D),
            f"{at}.mlp.gate_proj.weight": (HIDDEN, D),
            f"{at}.mlp.up_proj.weight": (HIDDEN, D),
            f"{at}.mlp.down_proj.weight": (D, HIDDEN),
        }
    return drawn(shapes)


def gpt2_arrays() -> dict[str, np.ndarray]:
    shapes = {"wte.weight": (V, D), "wpe.weight": (T, D)}
    norms = ["ln_f", *(f"h.{n}.ln_{k}" for n in range(LAYERS) for k in (1, 2))]
    maps = {
        "attn.c_attn": (D, 3 * D),
        "attn.c_proj": (D, D),
        "mlp.c_fc": (D, HIDDEN),
        "mlp.c_proj": (HIDDEN, D),
    }
    for name in norms:
        shapes |= {f"{name}.weight": (D,), f"{name}.bias": (D,)}
    for n in range(LAYERS):
        for name, shape in maps.items():
            shapes[f"h.{n}.{name}.weight"] = shape
            shapes[f"h.{n}.{name}.bias"] = shape[1:]
    return drawn(shapes)


def softmax(x: np.ndarray) -> np.ndarray:
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def attended(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Causal attention of [T, heads, h] with as many or fewer heads of keys."""
    share = q.shape[1] // k.shape[1]
    k, v = np.repeat(k, share, axis=1), np.repeat(v, share, axis=1)
    scores = np.einsum("qhc,khc->hqk", q, k) / np.sqrt(q.shape[-1])
    seen = np.tril(np.ones(scores.shape[1:]))
    found = softmax(np.where(seen, scores, -np.inf))
    return np.einsum("hqk,khc->qhc", found, v).reshape(len(q), -1)


def rotated_halves(x: np.ndarray) -> np.ndarray:
    """As transformers does: ``x cos + rotate_half(x) sin``."""
    rates = 10_000.0 ** (-np.arange(0, H, 2) / H)
    angles = np.arange(len(x))[:, None] * np.concatenate([rates, rates])
    half = np.concatenate([-x[..., H // 2 :], x[..., : H // 2]], axis=-1)
    return x * np.cos(angles)[:, None] + half * np.sin(angles)[:, None]


def llama_logits(w: dict[str, np.ndarray]) -> np.ndarray:
    def norm(x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * w[f"{name}.weight"]

    x = w["model.embed_tokens.weight"][TOKENS]
    for n in range(LAYERS):
        at = f"model.layers.{n}"
        y = norm(x, f"{at}.input_layernorm")
        q, k, v = (
            (y @ w[f"{at}.self_attn.{c}_proj.weight"].T).reshape(T, -1, H)
            for c in "qkv"
        )
        found = attended(rotated_halves(q), rotated_halves(k), v)
        x = x + found @ w[f"{at}.self_attn.o_proj.weight"].T
        y = norm(x, f"{at}.post_attention_layernorm")
        gate = y @ w[f"{at}.mlp.gate_proj.weight"].T
        up = y @ w[f"{at}.mlp.up_proj.weight"].T
        x = x + (gate / (1 + np.exp(-gate)) * up) @ w[f"{at}.mlp.down_proj.weight"].T
    return norm(x, "model.norm") @ w["model.embed_tokens.weight"].T


def gpt2_logits(w: dict[str, np.ndarray]) -> np.ndarray:
    def norm(x, name):
        x = x - x.mean(-1, keepdims=True)
        x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5)
        return x * w[f"{name}.weight"] + w[f"{name}.bias"]

    def dense(x, name):
        return x @ w[f"{name}.weight"] + w[f"{name}.bias"]

    x = w["wte.weight"][TOKENS] + w["wpe.weight"]
    for n in range(LAYERS):
        qkv = dense(norm(x, f"h.{n}.ln_1"), f"h.{n}.attn.c_attn")
        found = attended(*(p.reshape(T, HEADS, H) for p in np.split(qkv, 3, axis=1)))
        x = x + dense(found, f"h.{n}.attn.c_proj")
        y = dense(norm(x, f"h.{n}.ln_2"), f"h.{n}.mlp.c_fc")
        y = 0.5 * y * (1 + np.tanh(np.sqrt(2 / np.pi) * (y + 0.044715 * y**3)))
        x = x + dense(y, f"h.{n}.mlp.c_proj")
    return norm(x, "ln_f") @ w["wte.weight"].T


def llama2c(w: dict[str, np.ndarray], vocabulary: int = V) -> bytes:
    """The same model in llama2.c's order, where pairs of channels are neighbours."""

    def pairs(x):
        return x.reshape(-1, 2, H // 2, D).transpose(0, 2, 1, 3).reshape(-1, D)

    def stack(name, change=lambda x: x):
        each = [change(w[f"model.layers.{n}.{name}.weight"]) for n in range(LAYERS)]
        return np.stack(each)

    header = np.int32([D, HIDDEN, LAYERS, HEADS, GROUPS, vocabulary, T])
    parts = [
        w["model.embed_tokens.weight"],
        stack("input_layernorm"),
        stack("self_attn.q_proj", pairs),
        stack("self_attn.k_proj", pairs),
        stack("self_attn.v_proj"),
        stack("self_attn.o_proj"),
        stack("post_attention_layernorm"),
        stack("mlp.gate_proj"),
        stack("mlp.down_proj"),
        stack("mlp.up_proj"),
        w["model.norm.weight"],
        np.zeros([2, T, H // 2], np.float32),
    ]
    return header.tobytes() + b"".join(part.tobytes() for part in parts)


def ours(config: TransformerConfig, arrays: dict[str, np.ndarray]) -> np.ndarray:
    """Logits of a model that has been given these arrays, and nothing else."""
    model = tfmodels.catalog.build(config)
    state = named_variables("model", model.weights)
    assert state.keys() == {f"model/{name}" for name in arrays}
    for name, array in arrays.items():
        state[f"model/{name}"].assign(array)
    return model(np.int32([TOKENS]))["logits"][0].numpy()


def test_a_llama_of_either_program_gives_its_logits(tmp_path: Path):
    arrays, config = llama_arrays(), TransformerConfig.parse(OF_LLAMA)
    files = {"model.safetensors": safetensors(arrays), "model.bin": llama2c(arrays)}
    expected = llama_logits(arrays)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        read = read_transformer(tmp_path / name, config)
        np.testing.assert_allclose(ours(config, read), expected, atol=2e-4)
    # The order of channels matters: it is not that any order would do.
    path = "block1_attention_query/kernel"
    read[path] = arrays["model.layers.0.self_attn.q_proj.weight"].T
    assert np.abs(ours(config, read) - expected).max() > 0.01


def test_a_gpt2_gives_its_logits_with_or_without_a_prefix(tmp_path: Path):
    arrays, config = gpt2_arrays(), TransformerConfig.parse(OF_GPT2)
    expected = gpt2_logits(arrays)
    masks = {f"h.{n}.attn.bias": np.ones([1, 1, T, T], "f4") for n in range(LAYERS)}
    whole = {f"transformer.{name}": x for name, x in (arrays | masks).items()}
    path = tmp_path / "model.safetensors"
    for named in (arrays, whole | {"lm_head.weight": arrays["wte.weight"]}):
        path.write_bytes(safetensors(named))
        read = read_transformer(path, config)
        np.testing.assert_allclose(ours(config, read), expected, atol=2e-4)


def test_numbers_of_sixteen_bits(tmp_path: Path):
    values = np.float32([1.5, -2.0, 0.15625])
    half = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    entries = {
        "a": {"dtype": "BF16", "shape": [3], "data_offsets": [0, 6]},
        "b": {"dtype": "F16", "shape": [3, 1], "data_offsets": [6, 12]},
        "__metadata__": {"format": "pt"},
    }
    content = safetensors({}, entries) + half + values.astype("<f2").tobytes()
    (tmp_path / "it").write_bytes(content)
    read = read_safetensors(tmp_path / "it")
    assert list(read) == ["a", "b"]
    assert read["a"].tolist() == read["b"][:, 0].tolist() == values.tolist()


ENTRY = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}


@pytest.mark.parametrize(
    ("content", "received"),
    [
        (b"short", "in a file of 5"),
        ((2**62).to_bytes(8, "little") + b"{}", "in a file of 10"),
        ((2).to_bytes(8, "little") + b"no", "no JSON"),
        ((2).to_bytes(8, "little") + b"[]", "a list, no object"),
        ({"w": {"dtype": "F32"}}, "w, of which dtype, shape or place is missing"),
        ({"w": ENTRY | {"dtype": "I4"}}, "dtype I4, not F64, F32"),
        ({"w": ENTRY | {"shape": [3]}}, r"12 bytes, in a place of 8"),
        ({"w": ENTRY | {"shape": [-2]}}, r"the shape \[-2\]"),
        ({"w": ENTRY | {"shape": [4], "data_offsets": [0, 16]}}, "0-16 of 8: cut off"),
        ({"w": ENTRY, "v": ENTRY}, "from byte 0, where 8 comes next"),
        (
            {"w": ENTRY | {"shape": [1], "data_offsets": [0, 4]}},
            "of which 4 have names",
        ),
    ],
)
def test_a_header_that_lies_is_found_out(tmp_path: Path, content: Any, received: str):
    if isinstance(content, dict):
        content = safetensors({}, content) + bytes(8)
    (tmp_path / "it").write_bytes(content)
    with pytest.raises(DataError, match=f"not a whole .safetensors file.*{received}"):
        read_safetensors(tmp_path / "it")


def test_files_of_llama2c_that_are_cut_off_or_lie(tmp_path: Path):
    config, path = TransformerConfig.parse(OF_LLAMA), tmp_path / "model.bin"
    whole = llama2c(llama_arrays())
    for content in (whole[:-4], whole + b"more", llama2c(llama_arrays(), V + 1)):
        path.write_bytes(content)
        with pytest.raises(DataError, match="cut off, or its header lies"):
            read_transformer(path, config)
    for content in (b"", b"GGUF" + whole[4:20], np.int32([8, 8, 1, 3, 1, 9, 4])):
        path.write_bytes(content)
        with pytest.raises(DataError, match="seven sizes that fit together"):
            read_transformer(path, config)
    path.write_bytes(whole)
    other = TransformerConfig.parse(OF_LLAMA | {"num_layers": 3, "biases": True})
    with pytest.raises(ConfigError) as error:
        read_transformer(path, other)
    assert "model.biases: false expected, true received" in str(error.value)
    assert "model.num_layers: 2 expected, 3 received" in str(error.value)


def test_unknown_architectures_and_tensors(tmp_path: Path):
    config, path = TransformerConfig.parse(OF_LLAMA), tmp_path / "model.safetensors"
    path.write_bytes(safetensors({"encoder.conv1.weight": np.zeros([2], "f4")}))
    with pytest.raises(DataError, match=r"unknown architecture.*encoder\.conv1"):
        read_transformer(path, config)
    path.write_bytes(safetensors(gpt2_arrays()))
    with pytest.raises(ConfigError, match=r"model\.positions: learned expected"):
        read_transformer(path, config)
    arrays = llama_arrays() | {"model.layers.2.norm.weight": np.ones([3], "f4")}
    arrays["model.norm.weight"][0] = np.nan
    path.write_bytes(safetensors(arrays))
    with pytest.raises(DataError) as error:
        read_transformer(path, config)
    assert "model.layers.2.norm.weight has no place" in str(error.value)
    assert "model.norm.weight does not hold finite real numbers" in str(error.value)
    with pytest.raises(DataError, match="weights cannot be read"):
        read_transformer(tmp_path / "absent.safetensors", config)


def test_the_command_makes_a_run(tmp_path: Path):
    arrays = llama_arrays()
    arrays["model.embed_tokens.weight"] = np.resize(
        arrays["model.embed_tokens.weight"], [256, D]
    )
    (tmp_path / "w.safetensors").write_bytes(safetensors(arrays))
    (tmp_path / "text").write_text("To be, or not to be.")
    settings = {**SIZES, "num_key_value_heads": GROUPS, "vocabulary_size": 256}
    sets = [f"model.{key}={value}" for key, value in settings.items()]
    sets += [f"data.train={tmp_path / 'text'}", "data.test_share=0.5"]
    command = [
        *("convert", "transformer", str(tmp_path / "w.safetensors")),
        *("optimal_clipping/tiny", "--workdir", str(tmp_path / "run")),
        *(part for setting in sets for part in ("--set", setting)),
        *("--set", "strategy.replicas=1", "--set", "data.batch_size=1"),
    ]
    result = CliRunner().invoke(cli.app, command, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    run = load_run(tmp_path / "run")
    table = run.model.get_layer("embedding").embeddings.numpy()
    assert np.array_equal(table, arrays["model.embed_tokens.weight"])
    with pytest.raises(ConfigError, match="holds a run already"):
        CliRunner().invoke(cli.app, command, catch_exceptions=False)
