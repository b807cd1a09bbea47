"""Hidden Markov models of phones."""

import math

import pytest

from tfmodels.errors import ConfigError
from tfmodels.lattices.topology import Scales
from tfmodels.lattices.topology import Topology
from tfmodels.lattices.topology import chain
from tfmodels.lattices.topology import ergodic_silence
from tfmodels.lattices.topology import left_to_right


def probs(topology: Topology, state: int) -> dict[int, float]:
    steps = topology.steps(state, Scales(1.0, 1.0))
    return {step.state: round(math.exp(step.weight), 6) for step in steps}


def test_phone_has_three_states_in_a_row():
    topology = left_to_right()
    assert topology.num_classes == 3
    assert [probs(topology, state) for state in range(3)] == [
        {0: 0.75, 1: 0.25},
        {1: 0.75, 2: 0.25},
        {2: 0.75, 3: 0.25},
    ]


def test_silence_of_five_states_is_that_of_kaldi():
    # <Transition> lines of the topology that gen_topo.pl writes for 5 states.
    quarter = 0.25
    assert [probs(ergodic_silence(5), state) for state in range(5)] == [
        {0: quarter, 1: quarter, 2: quarter, 3: quarter},
        {1: quarter, 2: quarter, 3: quarter, 4: quarter},
        {1: quarter, 2: quarter, 3: quarter, 4: quarter},
        {1: quarter, 2: quarter, 3: quarter, 4: quarter},
        {4: 0.75, 5: 0.25},
    ]


def test_first_frame_of_a_chain_phone_has_its_own_pdf():
    topology = chain()
    assert topology.num_classes == 2
    assert topology.entry == (0,)
    stay, leave = topology.steps(0, Scales(0.0, 0.0))
    assert stay == (0, 0.0, 1)
    assert leave == (1, 0.0, -1)


def test_scales_tell_staying_from_going_on():
    # p(stay) = 1/4; of those that leave, a third each.
    steps = {
        step.state: step.weight
        for step in ergodic_silence(5).steps(1, Scales(transition=2.0, self_loop=0.1))
    }
    assert steps[1] == pytest.approx(0.1 * math.log(0.25))
    for state in (2, 3, 4):
        expected = 0.1 * math.log(0.75) + 2 * math.log(1 / 3)
        assert steps[state] == pytest.approx(expected)


@pytest.mark.parametrize(
    "values",
    [
        ((0,), (0,), ((0.5, 0.4),)),
        ((0,), (0,), ((1.5, -0.5),)),
        ((0,), (0,), ((0.5, 0.25, 0.25),)),
        ((0,), (0, 1), ((0.5, 0.5),)),
        ((), (), ()),
    ],
)
def test_inconsistent_topologies_are_refused(values):
    with pytest.raises(ConfigError, match="Expected"):
        Topology(*values)


def test_short_ergodic_silence_is_refused():
    with pytest.raises(ConfigError, match="at least 3"):
        ergodic_silence(2)
