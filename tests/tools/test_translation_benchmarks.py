"""The harness of the translation benchmarks, at sizes that say nothing about speed."""

import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from tests.tools.test_pipeline_benchmarks import several_cores
from tfmodels.errors import ConfigError
from tools.benchmark import BENCHMARKS
from tools.benchmark.raml_sampling import raml_sampling
from tools.benchmark.torch_peer import torch_python
from tools.benchmark.torch_peer import torch_version
from tools.benchmark.translation_decoding import Search
from tools.benchmark.translation_decoding import translation_decoding
from tools.benchmark.translation_model import Sizes
from tools.benchmark.translation_training import translation_training
from tools.benchmark.wordpieces import wordpieces
from trainers.configuration import load_experiment
from trainers.data.parallel.sources import open_parallel

TINY = Sizes(width=8, num_layers=2, vocabulary_size=320, batch_size=4, length=5)


def test_text_is_as_long_as_wanted_and_has_all_words(tmp_path: Path) -> None:
    TINY.write_text(tmp_path / "text.tsv")
    overrides = TINY.overrides(tmp_path / "text.tsv")
    experiment: Any = load_experiment("gnmt/tiny", overrides)
    source = open_parallel(experiment.data)
    assert source.vocabulary.size == TINY.vocabulary_size
    for side in (source.examples("train").source, source.examples("train").target):
        assert set(side.lengths) == {TINY.length}


@pytest.mark.parametrize("name", ["torch", "joeynmt"])
def test_without_the_peer(name: str) -> None:
    with pytest.raises(ConfigError, match=f"pip install {name}"):
        torch_version("/bin/false", name, name)


def test_wordpieces_of_files_and_of_no_files(tmp_path: Path) -> None:
    assert wordpieces(1, 320, 40, str(tmp_path))["text"] == "generated"
    for language in ("en", "de"):
        with gzip.open(tmp_path / f"train.{language}.gz", "wt") as file:
            file.write("two words\n" * 3)
    found = wordpieces(1, 270, 4, str(tmp_path))
    assert found["benchmark"] in BENCHMARKS
    assert (found["text"], found["lines"], found["pieces"]) == ("Multi30k", 4, 270)
    assert found["sentences_per_second"].keys() == {"python", "graph"}


@pytest.mark.slow
def test_sampling_uses_one_core_and_gives_it_back() -> None:
    before = os.sched_getaffinity(0)
    found = raml_sampling(1)
    assert os.sched_getaffinity(0) == before
    assert (found["sentences"], found["length"]) == (100_000, 20)
    assert found["seconds"].keys() == {"hamming", "edit"}
    # The specification's bound for so many sentences on one core.
    assert min(found["cpu_seconds"].values()) > 0
    assert max(found["cpu_seconds"].values()) < 5


def needs(module: str, name: str) -> None:
    """Skips a test where a peer is missing."""
    try:
        torch_version(torch_python(), module, name)
    except ConfigError:
        pytest.skip(f"no {name}")


@pytest.mark.slow
@several_cores
def test_training() -> None:
    needs("torch", "torch")
    found = translation_training(rounds=1, num_steps=1, sizes=[TINY])
    (result,) = found["results"]
    assert result["over_peer_per_cpu_second"].keys() == {"ours", "xla"}
    # The peer's LSTMs have two biases.
    ours, torch = (result["parameters"][name] for name in ("ours", "torch"))
    assert torch - ours == 4 * TINY.width * (2 * TINY.num_layers + 1)


@pytest.mark.slow
@several_cores
def test_decoding() -> None:
    needs("joeynmt.search", "joeynmt")
    search = Search(width=8, num_layers=2, vocabulary_size=30, length=4)
    found = translation_decoding(1, [(1, 1), (3, 2)], search)
    assert found["results"].keys() == {"batch 1", "batch 3"}
    assert found["results"]["batch 3"]["over_peer"].keys() == {"ours", "xla"}
