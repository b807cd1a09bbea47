"""The order of utterances: whole batches of buckets, quotas, shares, resumption."""

from collections import Counter

import numpy as np
import pytest

from tfmodels.errors import ConfigError
from trainers.data.config import SortingData
from trainers.data.speech.order import BucketOrder
from trainers.data.speech.order import owned
from trainers.interfaces import Shard

# Three buckets, the last empty; two varieties; two utterances are left out.
BUCKET = np.array([0, 1, 0, -1, 1, 0, 0, 1, 0, 0, -1, 0, 1])
VARIETY = np.array([0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0])


def order(batch=3, temperature=1.0, drop=False, last_batch="pad"):
    data = SortingData(batch_size=batch, last_batch=last_batch)
    return BucketOrder(BUCKET, VARIETY, 3, data, temperature, drop)


def places(made, seed=0, shard=Shard(), start=0, steps=None):
    """Index, valid and bucket of each batch."""
    records = made.stream(seed).endless(shard, start).take(steps)
    found = records.map(lambda r: made.place(r["index"], r["epoch"], seed))
    return [tuple(np.array(part) for part in place) for place in found]


def test_an_epoch_has_each_utterance_once() -> None:
    made = order()
    # 7 in the first bucket, 4 in the second.
    assert made.steps_per_epoch == 3 + 2
    batches = places(made, steps=15)
    orders = []
    for epoch in range(3):
        seen: list[int] = []
        for index, valid, bucket in batches[5 * epoch : 5 * epoch + 5]:
            assert set(BUCKET[index]) == {int(bucket)}
            seen += list(index[valid])
        assert sorted(seen) == list(np.flatnonzero(BUCKET >= 0))
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]
    buckets = [int(bucket) for *_, bucket in batches]
    assert Counter(buckets) == {0: 9, 1: 6}
    assert places(made, seed=1, steps=5)[0][0].tolist() != batches[0][0].tolist()


def test_an_evaluation_is_in_order() -> None:
    made = order()
    records = made.stream(0).single_pass(Shard())
    found = [made.place(r["index"], r["epoch"], None) for r in records]
    assert [int(place.bucket) for place in found] == [0, 0, 0, 1, 1]
    seen = [i for p in found for i in p.index.numpy()[p.valid.numpy()]]
    assert sorted(seen) == list(np.flatnonzero(BUCKET >= 0))


def test_resuming_and_sharing_change_nothing() -> None:
    made = order(batch=4)
    whole = places(made, steps=8)
    for start in (3, 6):
        for mine, other in zip(
            places(made, start=start, steps=2), whole[start : start + 2], strict=True
        ):
            np.testing.assert_array_equal(mine[0], other[0])
    for index in range(2):
        shard = Shard(index=index, count=2, replicas=2)
        for mine, other in zip(places(made, shard=shard, steps=8), whole, strict=True):
            rows = slice(2 * index, 2 * index + 2)
            np.testing.assert_array_equal(mine[0], other[0][rows])
            np.testing.assert_array_equal(mine[1], other[1][rows])
            assert mine[2] == other[2]


def test_varieties_in_equal_shares() -> None:
    made = order(temperature=1e9)
    batches = places(made, steps=made.steps_per_epoch)
    seen = [i for index, valid, _ in batches for i in index[valid]]
    # 9 and 2 utterances: 5 or 6 visits of each variety.
    counts = Counter(VARIETY[seen])
    assert {counts[0], counts[1]} <= {5, 6, 7}
    assert abs(sum(counts.values()) - 11) <= 1
    visits = Counter(i for b in places(made, steps=200) for i in b[0][b[1]])
    assert visits.keys() == set(np.flatnonzero(BUCKET >= 0))


def test_incomplete_batches_are_dropped_or_refused() -> None:
    made = order(drop=True, last_batch="drop")
    assert made.steps_per_epoch == 2 + 1
    assert all(valid.all() for _, valid, _ in places(made, steps=6))
    with pytest.raises(ConfigError, match=r"Expected data.batch_size of at most 4 "):
        order(batch=5, drop=True, last_batch="drop")


def test_speakers_have_one_owner() -> None:
    names = list("abcabcd")
    shares = [owned(names, Shard(index=i, count=3, own=True)) for i in range(3)]
    np.testing.assert_array_equal(np.sum(shares, axis=0), 1)
    assert [set(np.array(names)[mine]) for mine in shares] == [{"a", "d"}, {"b"}, {"c"}]
    with pytest.raises(ConfigError, match=r"5 workers.*at most 4"):
        owned(names, Shard(index=0, count=5, own=True))
