"""The harness of the benchmarks of recognisers, at sizes that say nothing of speed."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ruamel.yaml import YAML

from tests.tools.test_pipeline_benchmarks import several_cores
from tests.tools.test_translation_benchmarks import needs
from tfmodels.decoding.config import BeamSearchConfig
from tfmodels.decoding.step import END
from tfmodels.decoding.translation import best_answers
from tfmodels.las.config import LASConfig
from tfmodels.las.model import las
from tools.benchmark import BENCHMARKS
from tools.benchmark.minimum_word_error import minimum_word_error
from tools.benchmark.recognition_model import FSDD
from tools.benchmark.recognition_model import Sizes
from tools.benchmark.recognition_speed import recognition_speed
from tools.benchmark.recognition_training import recognition_training
from tools.benchmark.recognition_worker import end_after
from trainers.configuration import load_experiment
from trainers.data.speech.sources import open_speech

TINY = Sizes(
    feature_dim=8,
    hidden_dim=6,
    attention_width=3,
    context_dim=8,
    decoder_dim=5,
    embedding_dim=3,
    vocabulary_size=14,
    num_varieties=2,
    batch_size=4,
    frames=24,
    units=8,
)


def test_sizes_are_those_of_the_configuration() -> None:
    path = Path("configs/multidialect_asr/fsdd.yaml")
    written: Any = YAML(typ="safe").load(path)
    assert FSDD.model() == written["model"]
    assert FSDD.batch_size == written["data"]["batch_size"]
    assert FSDD.clip_global_norm == written["optimizer"]["clip_global_norm"]
    auxiliary = written["objective"]["auxiliary_weights"]
    assert auxiliary == {"variety_logits": FSDD.variety_weight}


@pytest.mark.parametrize("sizes", [TINY, replace(TINY, units=11, frames=30)])
def test_sound_is_as_long_as_wanted_and_has_all_letters(
    sizes: Sizes, tmp_path: Path
) -> None:
    sizes.write_sound(tmp_path)
    overrides = sizes.overrides(tmp_path)
    experiment: Any = load_experiment("multidialect_asr/fsdd", overrides)
    source = open_speech(experiment.data)
    split = source.split("train")
    assert source.graphemes.size == sizes.vocabulary_size
    assert source.num_varieties == sizes.num_varieties
    assert set(split.lengths) == {sizes.frames}
    assert set(split.labels.lengths) == {sizes.units}


@pytest.mark.slow
def test_answers_end_where_they_are_told_to() -> None:
    model = las(LASConfig.parse(TINY.model()))
    end_after(model, 4)
    source = {
        "features": np.random.default_rng(0).normal(0, 1, [2, 24, 8]),
        "lengths": [24, 12],
        "variety": [[1.0, 0.0], [0.5, 0.5]],
    }
    search = BeamSearchConfig(
        beam_width=3, n_best=3, pruning_margin=None, max_length_extra=6
    )
    found = best_answers(model, model.encode(source), search)
    np.testing.assert_array_equal(found.lengths, np.full([2, 3], 4))
    assert np.all(found.ids[:, :, 3] == END)


@pytest.mark.slow
@several_cores
def test_training() -> None:
    needs("torch", "torch")
    found = recognition_training(rounds=1, num_steps=1, sizes=TINY)
    assert found["benchmark"] in BENCHMARKS
    assert found["over_peer_per_cpu_second"].keys() == {"ours", "xla"}
    # The peer's LSTMs have two biases.
    ours, torch = (found["parameters"][name] for name in ("ours", "torch"))
    assert torch - ours == 4 * (4 * TINY.hidden_dim + TINY.decoder_dim)


@pytest.mark.slow
@several_cores
def test_minimum_word_error() -> None:
    found = minimum_word_error(rounds=1, num_steps=1, sizes=TINY, xla=False)
    assert found["benchmark"] in BENCHMARKS
    assert found["times"].keys() == found["times_of_cpu"].keys() == {"usual", "tight"}
    per_second = found["utterances_per_second"]
    ratio = per_second["cross_entropy"] / per_second["usual"]
    assert found["times"]["usual"] == pytest.approx(ratio)
    assert set(found["retraces"].values()) == {0}


@pytest.mark.slow
def test_speed_on_one_core_which_it_gives_back() -> None:
    before = os.sched_getaffinity(0)
    found = recognition_speed(rounds=1, seconds=1.2, sizes=TINY)
    assert os.sched_getaffinity(0) == before
    assert found["benchmark"] in BENCHMARKS
    assert (found["machine"]["cpus"], found["beam_width"]) == (1, 4)
    # 118 frames, 40 of them stacked, in pairs, and one unit more than encodings.
    assert found["units_of_an_answer"] == 21
    assert min(found["front_end"].values()) > 0
    assert found["real_time_factor"].keys() == {"tensorflow", "tflite"}
    for program in found["real_time_factor"]:
        median, most = (
            found["chunk_milliseconds"][f"{program} {name}"]
            for name in ("median", "percentile_95")
        )
        assert 0 < median <= most
