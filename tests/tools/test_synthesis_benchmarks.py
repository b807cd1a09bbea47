"""The harness of the benchmark of synthesisers, at sizes that say nothing of speed."""

import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.tools.test_pipeline_benchmarks import several_cores
from tests.tools.test_translation_benchmarks import needs
from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark.synthesis_model import Sizes
from tools.benchmark.synthesis_training import synthesis_training
from trainers.configuration import load_experiment
from trainers.data.synthesis.source import open_synthesis

TINY = Sizes(
    num_symbols=8,
    num_speakers=2,
    num_languages=2,
    speaker_dim=3,
    encoder_dim=8,
    attention_dim=4,
    filters=2,
    kernel=3,
    prenet_dim=4,
    decoder_dim=5,
    postnet_filters=4,
    classifier_dim=4,
    batch_size=2,
    frames=12,
    symbols=6,
)


def test_sizes_are_those_of_the_configuration() -> None:
    written: Any = YAML(typ="safe").load(Path("configs/multilingual_tts/tiny.yaml"))
    model, ours = written["model"], Sizes().model()
    for part in ("encoder", "attention", "decoder", "postnet", "classifier"):
        same = model[part].keys() & ours[part].keys()
        assert same
        assert {key: ours[part][key] for key in same} == {
            key: model[part][key] for key in same
        }
    for key in ("num_speakers", "speaker_dim", "mel_bins", "frames_per_step"):
        assert ours[key] == model[key]
    assert Sizes().batch_size == written["data"]["batch_size"]
    assert Sizes().frames == written["data"]["buckets"][-1]["frames"]
    assert Sizes().clip_global_norm == written["optimizer"]["clip_global_norm"]


def test_sound_is_as_long_as_wanted_and_has_all_letters(tmp_path: Path) -> None:
    TINY.write_sound(tmp_path)
    overrides = TINY.overrides(tmp_path)
    experiment: Any = load_experiment("multilingual_tts/tiny", overrides)
    source = open_synthesis(experiment.data)
    split = source.split("train")
    assert source.symbols.size == TINY.num_symbols
    assert (len(source.speakers), len(source.languages)) == (2, 2)
    assert set(split.lengths) == {TINY.frames}
    assert set(split.symbols.lengths) == {TINY.symbols}


def test_without_the_peer(monkeypatch: pytest.MonkeyPatch) -> None:
    needs("torch", "torch")
    monkeypatch.setenv("TFMODELS_MULTILINGUAL_TTS", "nowhere")
    with pytest.raises(ConfigError, match=r"TFMODELS_MULTILINGUAL_TTS.*'nowhere'"):
        synthesis_training()


@pytest.mark.slow
@several_cores
def test_training() -> None:
    needs("torch", "torch")
    if "TFMODELS_MULTILINGUAL_TTS" not in os.environ:
        pytest.skip("no Multilingual_Text_to_Speech")
    found = synthesis_training(rounds=1, num_steps=1, sizes=TINY)
    assert found["benchmark"] in BENCHMARKS
    assert found["over_peer_per_cpu_second"].keys() == {"ours", "xla"}
