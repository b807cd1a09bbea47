"""What stages hold, against the published table and sums by brute force."""

import random

import keras
import pytest

from trainers.strategies.config import PipelineConfig
from trainers.strategies.pipeline.costs import item_costs
from trainers.strategies.pipeline.holdings import Holdings
from trainers.strategies.pipeline.holdings import Needs
from trainers.strategies.pipeline.holdings import holdings
from trainers.strategies.pipeline.holdings import peak_together
from trainers.strategies.pipeline.memory import DistinctSum
from trainers.strategies.pipeline.memory import Footprint
from trainers.strategies.pipeline.placement import without_values
from trainers.strategies.pipeline.schedules import Task
from trainers.strategies.pipeline.schedules import schedule
from trainers.strategies.pipeline.sequence import LayerSequence
from trainers.strategies.pipeline.simulation import simulate

ROWS = 3


def test_distinct_sums_equal_brute_force() -> None:
    chance = random.Random(0)
    for _ in range(50):
        sizes = {key: chance.randint(1, 9) for key in range(5)}
        parts = [
            {key: sizes[key] for key in chance.sample(range(5), chance.randint(0, 3))}
            for _ in range(8)
        ]
        total = DistinctSum(parts)
        for begin in range(8):
            for end in range(begin, 9):
                found: dict[int, int] = {}
                for part in parts[begin:end]:
                    found |= part
                assert total(begin, end) == sum(found.values())


@pytest.mark.parametrize(("devices", "micro"), [(2, 4), (4, 4), (4, 8), (4, 2)])
def test_published_table_of_kept_results(devices: int, micro: int) -> None:
    for name, peaks in (
        ("gpipe", [micro] * devices),
        ("1f1b", [min(micro, devices - stage) for stage in range(devices)]),
    ):
        for stage, peak in enumerate(peaks):
            moments = holdings(schedule(name, devices, micro).orders[stage])
            assert max(moment[stage].whole for moment in moments) == peak
            assert all(moment[stage].begun == 0 for moment in moments)
            again = schedule(name, devices, micro, rematerialize="always")
            moments = holdings(again.orders[stage])
            assert max(moment[stage].whole for moment in moments) == 1
            # The one that is computed again has left the inputs.
            assert max(sum(moment[stage]) for moment in moments) == peak


def test_deferred_gradients_of_weights_hold_results_longer() -> None:
    for stage in range(4):
        moments = holdings(schedule("zb_h1", 4, 8).orders[stage])
        assert max(moment[stage].whole for moment in moments) == 4


def test_all_stages_of_a_device_count() -> None:
    moments = holdings(schedule("interleaved_1f1b", 4, 8, 2).orders[0])
    held = [sum(holding.whole for holding in moment.values()) for moment in moments]
    assert max(held) == 11


def test_devices_that_share_a_memory_do_not_peak_at_the_same_time() -> None:
    def held(moment: Holdings) -> int:
        return 10 * sum(holding.whole for holding in moment.values())

    def inside(task: Task) -> Needs:
        return {"F": Needs(1, 1), "B": Needs(3, 5)}[task.kind]

    # Each device has 10 + 5 at its own peak; the first waits while the second works.
    for num_micro_batches, peak in ((1, 10 + 15), (2, 20 + 25)):
        orders = schedule("gpipe", 2, num_micro_batches)
        timeline = simulate(orders, lambda task: 1)
        assert peak_together(orders, timeline, held, inside) == peak


@pytest.mark.parametrize(("transfer", "peak"), [(0, 3 + 16), (0.5, 3 + 10)])
def test_what_a_task_gathers_is_half_there_in_its_first_half(
    transfer: float, peak: int
) -> None:
    def held(moment: Holdings) -> int:
        return sum(holding.whole for holding in moment.values())

    def inside(task: Task) -> Needs:
        return {"F": Needs(0, 0), "B": Needs(2, 8)}[task.kind]

    # The first device starts its first backward task with the second's last one, or
    # when that is half done.
    orders = schedule("gpipe", 2, 2)
    timeline = simulate(orders, lambda task: 1, transfer)
    assert peak_together(orders, timeline, held, inside) == peak


def footprint(model: keras.Model, rows: int = ROWS, inline: bool = False) -> Footprint:
    sequence = LayerSequence(model)
    return Footprint(
        sequence,
        item_costs(sequence, rows),
        rows,
        num_slots=2,
        config=PipelineConfig(inline=inline),
    )


def test_bytes_of_a_chain() -> None:
    def build() -> keras.Model:
        x = read = keras.Input((5,))
        x = keras.layers.Dense(7, name="a")(x)
        x = keras.layers.BatchNormalization(name="b")(x)
        return keras.Model(read, {"y": keras.layers.Dense(2, name="c")(x)})

    found = footprint(without_values(build))
    # Weights, gradients and two slots; moving moments have neither.
    assert found.variables(0, 1) == (5 * 7 + 7) * 4 * 4
    assert found.variables(1, 2) == 14 * 4 * 4 + 14 * 4
    assert found.parameters(0, 3) == 42 + 14 + 16
    assert [found.reads(i, i + 1) for i in range(3)] == [
        ROWS * n * 4 for n in (5, 7, 7)
    ]
    assert found.reads(0, 3) == ROWS * 5 * 4
    assert [found.crossing(i) for i in range(4)] == [0, ROWS * 7 * 4, ROWS * 7 * 4, 0]
    # A dense layer keeps its input; the last one also its output, for the loss.
    assert found.residuals(0, 1) == ROWS * 5 * 4
    assert found.residuals(2, 3) == ROWS * (7 + 2) * 4
    assert found.residuals(0, 3) >= ROWS * (5 + 7 + 7 + 2) * 4


def test_gradients_of_weights_come_last_in_a_function() -> None:
    def build() -> keras.Model:
        x = read = keras.Input((5,))
        for width in (700, 300):
            x = keras.layers.Dense(width, "tanh", use_bias=False)(x)
        return keras.Model(read, {"y": x})

    model = without_values(build)
    gradients = 4 * (5 * 700 + 700 * 300)
    # The product of a layer's input and the gradient before the activation can wait,
    # and that gradient with it.
    late = [cost.postponed for cost in item_costs(LayerSequence(model), 10**6)]
    assert late == [4 * 10**6 * 700, 4 * 10**6 * 300]
    inline = footprint(model, 10**6, inline=True)
    called = footprint(model, 10**6)
    inside = inline.temporaries(0, 2) - gradients
    assert called.temporaries(0, 2) == sum(late) + inside
    few = footprint(model, 1)
    assert few.temporaries(0, 2) == footprint(model, 1, inline=True).temporaries(0, 2)


def test_shared_weights_and_skips() -> None:
    def build() -> keras.Model:
        read = keras.Input((5,), name="x")
        shared = keras.layers.Dense(5, use_bias=False, name="shared")
        x = shared(read)
        x = keras.layers.Dense(5, use_bias=False, name="own")(x)
        return keras.Model(read, {"y": shared(x)})

    found = footprint(without_values(build))
    assert found.parameters(0, 3) == 50
    assert found.parameters(0, 1) == found.parameters(2, 3) == 25
    # The owner has the slots; the borrower a copy and its gradient.
    assert found.variables(0, 1) == 25 * 4 * 4
    assert found.variables(2, 3) == 25 * 4 * 2
    assert found.variables(0, 3) == 50 * 4 * 4


def test_a_skip_tensor_is_read_by_those_that_use_it() -> None:
    def build() -> keras.Model:
        read = keras.Input((5,), name="x")
        a = keras.layers.Dense(7, name="a")(read)
        b = keras.layers.Dense(3, name="b")(a)
        c = keras.layers.Dense(2, name="c")(b)
        d = keras.layers.Concatenate(name="d")([c, a])
        model = keras.Model(read, {"y": keras.layers.Dense(1, name="e")(d)})
        model.endpoints = {"a": a, "b": b, "c": c}
        return model

    found = footprint(without_values(build))
    unit = ROWS * 4
    # Items a, b, c, d, e: cuts behind b are crossed by b and by a.
    assert [found.crossing(i) // unit for i in range(6)] == [0, 7, 3 + 7, 2 + 7, 9, 0]
    assert found.reads(1, 3) == 7 * unit
    assert found.reads(2, 3) == 3 * unit  # a passes by
    assert found.reads(2, 4) == (3 + 7) * unit
    assert found.reads(3, 4) == (2 + 7) * unit
