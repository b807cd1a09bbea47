"""Orders, shards and resumption of the stream of examples."""

import itertools

import numpy as np
import pytest
import tensorflow as tf

from tfmodels.errors import ConfigError
from trainers.data.stream import Stream
from trainers.data.stream import permute
from trainers.data.stream import steps_per_epoch
from trainers.interfaces import Shard

ALONE = Shard()
FIELDS = ("index", "epoch", "valid", "seed")


def take(stream, num_batches, shard=ALONE, start=0):
    batches = stream.endless(shard, start).take(num_batches)
    return list(batches.as_numpy_iterator())


def epoch_order(stream, epoch):
    steps = stream.steps_per_epoch
    batches = take(stream, steps, start=epoch * steps)
    return np.concatenate([batch["index"][batch["valid"]] for batch in batches])


@pytest.mark.parametrize("size", [*range(1, 18), 33, 100, 255, 256, 257, 1437])
def test_permute_is_a_permutation_for_every_size(size):
    for key in ([0, 0, 0], [1, 2, 3], [2**32 - 1, 12345, 2**31]):
        index = tf.range(size, dtype=tf.int64)
        moved = permute(index, size, tf.constant(key, tf.uint32)).numpy()
        assert sorted(moved) == list(range(size))


@pytest.mark.parametrize("size", [1437, 1_281_167])
def test_orders_of_successive_epochs_are_unrelated(size):
    # `index_shuffle`, with its 4 rounds and the key (seed, epoch), fails for ImageNet.
    stream = Stream(size, 1000, seed=7)
    orders = [
        take(stream, 1, start=epoch * stream.steps_per_epoch)[0]["index"]
        for epoch in range(12)
    ]
    correlations = [
        np.corrcoef(one, other)[0, 1] for one, other in itertools.pairwise(orders)
    ]
    # The mean of |x| for x normal with the deviation 1 / sqrt(1000).
    assert np.abs(correlations).mean() < 2 * np.sqrt(2 / np.pi / 1000)


def test_no_epoch_repeats_another_within_300():
    # `index_shuffle` with the key (seed, epoch) starts again after 256 epochs.
    batches = take(Stream(300, 300, seed=0), 300)
    assert len({batch["index"].tobytes() for batch in batches}) == 300


def test_every_place_gets_every_example_equally_often():
    stream = Stream(5, 5, "drop", seed=3)
    orders = np.stack([batch["index"] for batch in take(stream, 500)])
    for place in orders.T:
        counts = np.bincount(place, minlength=5)
        assert np.abs(counts - 100).max() < 5 * np.sqrt(100)


@pytest.mark.parametrize(
    ("num_examples", "batch_size"), [(10, 4), (12, 4), (3, 8), (1, 1), (7, 1)]
)
def test_padded_epoch_visits_each_example_once(num_examples, batch_size):
    stream = Stream(num_examples, batch_size, "pad", seed=5)
    for epoch in range(3):
        order = epoch_order(stream, epoch)
        assert sorted(order) == list(range(num_examples))


def test_dropping_epoch_visits_whole_batches_of_different_examples():
    stream = Stream(11, 4, "drop", seed=5)
    batches = take(stream, 6)
    for epoch in range(3):
        visited = np.concatenate([b["index"] for b in batches[2 * epoch :][:2]])
        assert len(set(visited)) == 8
        assert {e for b in batches[2 * epoch :][:2] for e in b["epoch"]} == {epoch}
    assert all(batch["valid"].all() for batch in batches)


def test_without_shuffle_the_order_is_that_of_the_files():
    batches = take(Stream(5, 2, "pad", shuffle=False), 4)
    assert [b["index"].tolist() for b in batches] == [[0, 1], [2, 3], [4, 0], [0, 1]]
    assert batches[2]["valid"].tolist() == [True, False]


def test_rows_that_fill_up_repeat_examples_of_the_epoch():
    stream = Stream(1437, 64, seed=1)
    last = take(stream, 1, start=22)[0]
    first = take(stream, 1, start=0)[0]
    assert last["valid"].sum() == 1437 - 22 * 64
    np.testing.assert_array_equal(last["index"][~last["valid"]], first["index"][:35])


@pytest.mark.parametrize(("pipelines", "replicas"), [(1, 2), (2, 2), (2, 4), (4, 4)])
@pytest.mark.parametrize("start", [0, 5])
def test_global_batch_does_not_depend_on_who_shares_it(pipelines, replicas, start):
    stream = Stream(22, 8, "pad", seed=2)
    whole = take(stream, 6, start=start)
    each = replicas // pipelines
    shares = [
        take(stream, 6 * each, Shard(index, pipelines, replicas), start)
        for index in range(pipelines)
    ]
    for step in range(6):
        for field in FIELDS:
            parts = [
                batch[field]
                for share in shares
                for batch in share[step * each : (step + 1) * each]
            ]
            assert all(len(part) == 8 // replicas for part in parts)
            np.testing.assert_array_equal(np.concatenate(parts), whole[step][field])


@pytest.mark.parametrize("start", [1, 3, 7, 1000])
def test_resuming_continues_the_same_stream(start):
    stream = Stream(22, 8, "pad", seed=2)
    expected = take(stream, start + 4)[start:]
    resumed = take(stream, 4, start=start)
    for one, other in zip(expected, resumed, strict=True):
        for field in FIELDS:
            np.testing.assert_array_equal(one[field], other[field])


def test_resuming_far_into_imagenet_takes_no_time():
    stream = Stream(1_281_167, 256, seed=2)
    batch = take(stream, 1, start=10**9)[0]
    assert batch["epoch"][0] == 10**9 // 5005


def test_seeds_depend_on_seed_epoch_and_index_alone():
    def seeds(batch_size, epoch, seed):
        stream = Stream(24, batch_size, seed=seed)
        steps = stream.steps_per_epoch
        batches = take(stream, steps, start=epoch * steps)
        return {
            int(index): tuple(pair)
            for batch in batches
            for index, pair in zip(batch["index"], batch["seed"], strict=True)
        }

    reference = seeds(8, epoch=1, seed=4)
    assert seeds(3, epoch=1, seed=4) == reference
    for other in (seeds(8, epoch=2, seed=4), seeds(8, epoch=1, seed=5)):
        assert not set(other.values()) & set(reference.values())


def test_seeds_are_uniform_and_independent():
    batches = take(Stream(10_000, 10_000, seed=1), 1)
    seeds = batches[0]["seed"]
    assert seeds.min() >= 0
    assert seeds.max() < 2**32
    pairs = seeds[:, 0] % 3 * 3 + seeds[:, 1] % 3
    counts = np.bincount(pairs, minlength=9)
    # Chi-square with 8 degrees of freedom: above 26.1 once in a thousand.
    assert np.sum((counts - 10_000 / 9) ** 2) / (10_000 / 9) < 26.1


@pytest.mark.parametrize(
    ("num_examples", "last_batch", "expected"),
    [(1437, "drop", 22), (1437, "pad", 23), (64, "drop", 1), (65, "pad", 2)],
)
def test_steps_per_epoch(num_examples, last_batch, expected):
    assert steps_per_epoch(num_examples, 64, last_batch) == expected
    assert Stream(num_examples, 64, last_batch).steps_per_epoch == expected


def test_dropping_the_only_batch_is_refused():
    with pytest.raises(ConfigError, match=r"data\.batch_size of at most 63"):
        Stream(63, 64, "drop").endless(Shard(), 0)


@pytest.mark.parametrize("shard", [Shard(0, 1, 3), Shard(0, 2, 1), Shard(1, 4, 2)])
def test_a_batch_that_cannot_be_shared_equally_is_refused(shard):
    stream = Stream(22, 8)
    for make in (lambda: stream.endless(shard, 0), lambda: stream.single_pass(shard)):
        with pytest.raises(ConfigError, match=r"data\.batch_size"):
            make()


@pytest.mark.parametrize("pipelines", [1, 2])
def test_single_pass_is_every_example_in_order(pipelines):
    stream = Stream(10, 4, "drop", seed=9)
    shares = [
        list(stream.single_pass(Shard(i, pipelines, 2)).as_numpy_iterator())
        for i in range(pipelines)
    ]
    assert {len(share) for share in shares} == {6 // pipelines}
    each = 2 // pipelines
    batches = [
        batch
        for step in range(3)
        for share in shares
        for batch in share[step * each : (step + 1) * each]
    ]
    index = np.concatenate([batch["index"] for batch in batches])
    valid = np.concatenate([batch["valid"] for batch in batches])
    assert index[valid].tolist() == list(range(10))
    assert valid.tolist() == [True] * 10 + [False] * 2


@pytest.mark.parametrize(("groups", "count"), [(None, 3), (6, 1), (6, 4), (3, 2)])
def test_each_group_has_one_owner(groups, count):
    stream = Stream(12, 2, seed=4, num_groups=groups)
    owners = {}
    for worker in range(count):
        shard = Shard(worker, count, own=True)
        once = list(stream.single_pass(shard).as_numpy_iterator())
        owned = np.concatenate([batch["index"][batch["valid"]] for batch in once])
        batches = take(stream, 2 * len(once), shard)
        assert all(len(batch["index"]) == 2 for batch in batches)
        for half in (batches[: len(once)], batches[len(once) :]):
            seen = np.concatenate([batch["index"][batch["valid"]] for batch in half])
            assert sorted(seen) == sorted(owned)
        for example in owned:
            assert example not in owners
            owners[example] = worker
    assert sorted(owners) == list(range(12))
    for example, worker in owners.items():
        assert owners[example % (groups or 12)] == worker


def test_a_worker_without_a_group_is_an_error():
    with pytest.raises(ConfigError, match="at most 3 of them"):
        Stream(12, 2, num_groups=3).endless(Shard(0, 4, own=True), 0)


def test_no_thread_tunes_what_is_made_of_a_stream() -> None:
    stream = Stream(8, 4)
    for records in (stream.endless(Shard(), 0), stream.single_pass(Shard())):
        made = records.map(lambda record: record["index"], tf.data.AUTOTUNE)
        assert made.prefetch(tf.data.AUTOTUNE).options().autotune.enabled is False
