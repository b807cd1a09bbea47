"""Batches of pairs, against the texts they were made of."""

import collections

import numpy as np
import pytest

from tests.trainers.data.parallel import corpora
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.data.parallel.config import NumberWordsData
from trainers.data.parallel.dataset import parallel_dataset
from trainers.data.parallel.number_words import in_english
from trainers.data.parallel.sources import open_parallel
from trainers.interfaces import Shard


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    config = corpora.config(tmp_path_factory.mktemp("parallel"))
    return open_parallel(config), config


def batches(opened, split, count=99, **options):
    dataset = parallel_dataset(*opened, split, **options)
    return list(dataset.take(count).as_numpy_iterator())


def counted(parts):
    """Indices of the rows that count, in order."""
    return [i for part in parts for i in part["index"][part["weight"].any(axis=1)]]


def test_a_batch_is_what_the_texts_say(opened):
    source, _ = opened
    for part in batches(opened, "train", 6):
        assert part["source"].dtype == part["target"].dtype == np.int32
        assert part["label"].shape == part["target"].shape == part["weight"].shape
        for row, number in enumerate(part["index"]):
            ids = source.encode(corpora.SOURCES[number])
            label = source.encode(corpora.TARGETS[number])
            assert ids[-1] == label[-1] == 2
            np.testing.assert_array_equal(np.trim_zeros(part["source"][row]), ids)
            np.testing.assert_array_equal(np.trim_zeros(part["label"][row]), label)
            np.testing.assert_array_equal(
                np.trim_zeros(part["target"][row]), [1, *label[:-1]]
            )
            assert source.decode(part["label"][row]) == corpora.TARGETS[number]
        # As long as the longest and no longer.
        assert part["source"][:, -1].any()
        assert part["label"][:, -1].any()


def test_shapes_are_known_but_for_lengths(opened):
    spec = parallel_dataset(*opened, "train").element_spec
    assert {name: tuple(value.shape) for name, value in spec.items()} == {
        "source": (4, None),
        "target": (4, None),
        "label": (4, None),
        "weight": (4, None),
        "index": (4,),
        "seed": (4, 2),
        "epoch": (4,),
    }


def test_an_epoch_has_every_pair_once(opened):
    # 23 pairs in batches of 4: six steps, two pools.
    first, second = (counted(batches(opened, "train", 6, start=s)) for s in (0, 6))
    assert sorted(first) == sorted(second) == list(range(23))
    assert first != second
    assert all(part["weight"].any() for part in batches(opened, "train", 12))


def test_a_step_is_a_function_of_seed_and_step(opened):
    whole = batches(opened, "train", 8)
    for start in (1, 3, 5):
        later = batches(opened, "train", 2, start=start)
        for one, other in zip(whole[start:], later, strict=False):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
    other_seed = batches(opened, "train", 8, seed=1)
    assert counted(whole) != counted(other_seed)


@pytest.mark.parametrize("workers", [1, 2])
def test_replicas_share_the_global_batch(opened, workers):
    whole = batches(opened, "train", 5)
    parts = [
        batches(opened, "train", 10 // workers, shard=Shard(worker, workers, 2))
        for worker in range(workers)
    ]
    each = 2 // workers
    for step, batch in enumerate(whole):
        mine = [p for part in parts for p in part[step * each : step * each + each]]
        rows = np.concatenate([part["index"] for part in mine])
        assert sorted(rows) == sorted(batch["index"])
        assert sum(p["weight"].sum() for p in mine) == batch["weight"].sum()


def test_owners_never_see_the_same_pair(opened):
    parts = [
        batches(opened, "train", 12, shard=Shard(i, 2, 2, own=True)) for i in (0, 1)
    ]
    seen = [set(counted(part)) for part in parts]
    assert not seen[0] & seen[1]
    assert seen[0] | seen[1] == set(range(23))


def test_pools_save_padding(tmp_path):
    random = np.random.default_rng(0)
    lines = ["cat " * n for n in random.integers(1, 40, 400)]
    shares = []
    for pool in (1, 20):
        config = corpora.config(
            tmp_path, train=[corpora.pair(tmp_path, "t", lines, lines)], pool=pool
        )
        parts = batches((open_parallel(config), config), "train", 100)
        sizes = [part["weight"].size for part in parts]
        shares.append(sum(part["weight"].sum() for part in parts) / sum(sizes))
    assert shares[0] < 0.75
    assert shares[1] > 0.95


def test_held_out_pairs_come_by_length_and_none_is_left_out(tmp_path):
    long = [*corpora.SOURCES[:5], "the " * 200]
    targets = [*corpora.TARGETS[:4], "", "die Katze"]
    config = corpora.config(
        tmp_path, test=[corpora.pair(tmp_path, "x", long, targets)], max_length=20
    )
    source = open_parallel(config)
    one, two = (batches((source, config), "test", seed=seed) for seed in (0, 5))
    assert counted(one) == counted(two)
    assert sorted(counted(one)) == list(range(6))
    pairs = zip(long, targets, strict=True)
    lengths = [max(len(source.encode(text)) for text in pair) for pair in pairs]
    assert [lengths[i] for i in counted(one)] == sorted(lengths)
    assert source.references("test") == targets
    assert source.sentences("test") == long


def test_training_leaves_long_and_empty_pairs_out_and_says_so(tmp_path, caplog):
    sources = [*corpora.SOURCES, "the " * 50, " ", "x"]
    targets = [*corpora.TARGETS, "die", "die", ""]
    config = corpora.config(
        tmp_path, train=[corpora.pair(tmp_path, "t", sources, targets)], max_length=40
    )
    source = open_parallel(config)
    assert source.size == 23
    assert "2 pairs with an empty side and 1 pairs of more than 40" in caplog.text
    shorter = config.model_copy(update={"max_length": 2})
    with pytest.raises(DataError, match=r"no pair .* is left.*raise data.max_length"):
        assert open_parallel(shorter).size


@pytest.mark.parametrize(
    ("exponent", "expected"), [(1.0, [40, 10]), (0.5, [33, 17]), (0.0, [25, 25])]
)
def test_languages_and_their_shares(tmp_path, exponent, expected):
    """50 pairs an epoch; shares of 40 and 10 to a power: 2 to 1 for its root."""
    texts = {"de": [f"d {n}" for n in range(40)], "fr": [f"f {n}" for n in range(10)]}
    train = [
        {**corpora.pair(tmp_path, name, lines, lines), "target_language": name}
        for name, lines in texts.items()
    ]
    config = corpora.config(
        tmp_path, train=train, test=train, sampling_exponent=exponent, batch_size=10
    )
    source = open_parallel(config)
    assert source.quotas.tolist() == expected
    assert source.encode("d 1", "fr")[0] == 5
    visits = collections.Counter()
    for part in batches((source, config), "train", 20):
        language = np.where(part["index"] < 40, 4, 5)
        np.testing.assert_array_equal(part["source"][:, 0], language)
        visits.update(part["index"].tolist())
    for first, last, share in ((0, 40, expected[0]), (40, 50, expected[1])):
        times = [visits[i] for i in range(first, last)]
        assert sum(times) == 4 * share
        assert max(times) - min(times) <= 1
    with pytest.raises(DataError, match="no token for a target language"):
        source.encode("d 1", "it")
    own = Shard(0, 2, 2, own=True)
    if exponent < 1:
        with pytest.raises(ConfigError, match="sampling_exponent: 1"):
            parallel_dataset(source, config, "train", shard=own)


def test_sentences_from_a_cache_are_the_same(tmp_path, opened):
    cache = str(tmp_path / "cache")
    config = opened[1].model_copy(update={"cache": cache})
    source = open_parallel(config)
    for split in ("train", "test"):
        mapped = batches((source, config), split, 4)
        for one, other in zip(batches(opened, split, 4), mapped, strict=False):
            for name in one:
                np.testing.assert_array_equal(one[name], other[name])
    again = open_parallel(config)

    def unread(split):
        raise AssertionError("the texts were segmented again")

    again.segmented = unread
    assert again.size == 23
    longer = open_parallel(config.model_copy(update={"max_length": 8}))
    assert longer.size < 23


def test_number_words():
    config = NumberWordsData(
        batch_size=8, train_examples=60, test_examples=20, numbers=100_000
    )
    source = open_parallel(config)
    assert source.size == 60
    assert len(set(source.sentences("train")) | set(source.sentences("test"))) == 80
    assert in_english(342) == "three hundred forty-two"
    assert in_english(1234) == "one thousand two hundred thirty-four"
    words = dict(zip(source.sentences("test"), source.references("test"), strict=True))
    assert all("and" not in word.split() and "," not in word for word in words)
    for part in batches((source, config), "test"):
        for row in part["label"]:
            assert source.decode(row) in words.values()
