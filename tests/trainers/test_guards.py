"""Guards stop a run for the reasons they state, and only for those."""

import math

import pytest

from tfmodels.errors import DataError
from tfmodels.errors import Diverged
from trainers.guards import BadExamples
from trainers.guards import FiniteUpdates
from trainers.guards import LossBound
from trainers.guards import check_alive
from trainers.guards import check_readable
from trainers.interfaces import Summary


def summary(
    steps: int = 10, skipped: int = 0, **totals: tuple[float, float]
) -> Summary:
    return Summary(
        steps,
        totals,
        skipped,
        learning_rate=0.1,
        seconds=1.0,
        gradient_norm=1.0,
        extra={},
    )


def test_one_update_that_is_not_finite_stops_by_default() -> None:
    guard = FiniteUpdates(0)
    guard(10, summary())
    with pytest.raises(Diverged, match=r"step 20.*\n?.*run\.max_skipped_updates"):
        guard(20, summary(skipped=1))


def test_chunks_without_any_finite_update_add_up() -> None:
    guard = FiniteUpdates(15)
    guard(10, summary(skipped=10))
    with pytest.raises(Diverged, match="20 of the updates"):
        guard(20, summary(skipped=10))


def test_a_finite_update_starts_the_count_again() -> None:
    guard = FiniteUpdates(9)
    for step in (10, 20, 30):
        guard(step, summary(skipped=8))


@pytest.mark.parametrize("loss", [5.1, 1e30])
def test_loss_bound(loss: float) -> None:
    guard = LossBound(5.0)
    guard(1, summary(loss=(4.9 * 8, 8.0)))
    with pytest.raises(Diverged, match=r"run\.loss_bound"):
        guard(2, summary(loss=(loss * 8, 8.0)))


def test_loss_bound_leaves_what_is_not_finite_to_its_own_guard() -> None:
    LossBound(5.0)(1, summary(loss=(math.inf, 8.0)))


def test_dead_channels_have_a_bound() -> None:
    check_alive(30, {"dead_channels": 0.99, "other": 5.0}, 0.99)
    check_alive(30, {"dead_channels": 1.0}, 1.0)
    check_alive(30, {}, 0.01)
    with pytest.raises(
        Diverged, match=r"99\.50%.*step 30\. .*99\.00% \(run\.max_dead_channels\)"
    ):
        check_alive(30, {"dead_channels": 0.995}, 0.99)


def test_bad_examples_have_a_budget() -> None:
    guard = BadExamples(0.01)
    for step in range(10):
        guard(step, summary(bad_examples=(1.0, 100.0)))
    with pytest.raises(DataError, match=r"data\.max_bad_fraction"):
        guard(11, summary(bad_examples=(2.0, 100.0)))


def test_no_bad_example_is_allowed_at_zero() -> None:
    with pytest.raises(DataError):
        BadExamples(0.0)(1, summary(bad_examples=(1.0, 64.0)))


def test_a_whole_split_has_the_same_budget_whatever_its_size() -> None:
    check_readable("test", {"bad_examples": (1.0, 100.0)}, 0.01)
    check_readable("test", {"loss": (1.0, 100.0)}, 0.0)
    with pytest.raises(DataError, match=r"2 of the 100 .*'test'"):
        check_readable("test", {"bad_examples": (2.0, 100.0)}, 0.01)
