"""Published learning-rate values, and where the decays begin and end."""

import math

import pytest

from tfmodels.errors import ConfigError
from trainers.optimizers.config import AnySchedule
from trainers.optimizers.config import ConstantSchedule
from trainers.optimizers.config import CosineSchedule
from trainers.optimizers.config import ExponentialSchedule
from trainers.optimizers.config import PolynomialSchedule
from trainers.optimizers.schedules import build_schedule

STEPS_PER_EPOCH = 22


def rate(config: AnySchedule, step: int, stage_length: int = 100) -> float:
    return float(build_schedule(config, stage_length, STEPS_PER_EPOCH)(step))


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(0, 0.01), (7.99, 0.01), (8, 0.0096), (80, 0.00664833), (250, 0.00282103)],
)
def test_googlenet_rate_falls_by_4_percent_every_8_epochs(
    epoch: float, expected: float
) -> None:
    config = ExponentialSchedule(initial=0.01, factor=0.96, every="8 epochs")
    step = math.floor(epoch * STEPS_PER_EPOCH)
    assert rate(config, step) == pytest.approx(expected, rel=2e-6)


@pytest.mark.parametrize(
    ("epoch", "expected"),
    [(2, 0.0423), (10, 0.03302568), (100, 0.00203988), (160, 0.00031874)],
)
def test_inception_rate_falls_by_6_percent_every_2_epochs(
    epoch: int, expected: float
) -> None:
    config = ExponentialSchedule(initial=0.045, factor=0.94, every="2 epochs")
    assert rate(config, epoch * STEPS_PER_EPOCH) == pytest.approx(expected, rel=2e-5)


def test_exponential_without_staircase_decays_between_its_steps() -> None:
    config = ExponentialSchedule(initial=1.0, factor=0.25, every=10, staircase=False)
    assert rate(config, 5) == pytest.approx(0.5)


@pytest.mark.parametrize("step", [0, 25, 99, 100, 120])
def test_polynomial_ends_with_the_stage(step: int) -> None:
    config = PolynomialSchedule(initial=0.01, power=0.5)
    expected = 0.01 * (1 - min(step, 100) / 100) ** 0.5
    assert rate(config, step) == pytest.approx(expected, rel=1e-6)


def test_polynomial_with_its_own_length_and_end() -> None:
    config = PolynomialSchedule(initial=1.0, end=0.5, length="1 epoch")
    assert rate(config, 11) == pytest.approx(0.75)
    assert rate(config, 50) == pytest.approx(0.5)


@pytest.mark.parametrize("step", [0, 30, 100, 200])
def test_cosine(step: int) -> None:
    config = CosineSchedule(initial=0.2, end_fraction=0.1)
    half_wave = (1 + math.cos(math.pi * min(step, 100) / 100)) / 2
    assert rate(config, step) == pytest.approx(0.2 * (0.1 + 0.9 * half_wave), rel=1e-6)


def test_constant() -> None:
    config = ConstantSchedule(initial=0.3)
    assert rate(config, 0) == rate(config, 10_000) == pytest.approx(0.3)


@pytest.mark.parametrize(("step", "expected"), [(0, 0.0), (5, 0.2), (10, 0.36)])
def test_warmup_rises_linearly_and_joins_a_decay_that_began_at_0(
    step: int, expected: float
) -> None:
    config = PolynomialSchedule(initial=0.4, warmup=10)
    assert rate(config, step) == pytest.approx(expected, rel=1e-6)


def test_warmup_may_be_given_in_epochs() -> None:
    config = ConstantSchedule(initial=1.0, warmup="2 epochs")
    assert rate(config, 11) == pytest.approx(0.25)
    assert rate(config, 44) == 1.0


@pytest.mark.parametrize(
    "config",
    [
        ExponentialSchedule(initial=0.1, factor=0.5, every="0 epochs"),
        PolynomialSchedule(initial=0.1, length=0),
        CosineSchedule(initial=0.1, length="0.01 epochs"),
    ],
)
def test_a_decay_over_no_step_is_refused(config: AnySchedule) -> None:
    with pytest.raises(ConfigError, match=r"learning_rate\.(every|length)"):
        rate(config, 0)
