"""A decoder's step in three functions computes what the whole model does."""

import numpy as np
import pytest

from export.decoder_steps import DecoderSteps
from export.stepping import Steps
from export.stepping import first_state
from export.stepping import state_of
from tests.tfmodels.las.small import CONDITIONINGS
from tests.tfmodels.las.small import batch
from tests.tfmodels.las.small import build
from tests.tfmodels.las.small import quick
from tests.tfmodels.las.small import row

WIDTH = 3
VARIANTS = {
    **{name: {"conditioning": value} for name, value in CONDITIONINGS.items()},
    "location": {"attention": {"kind": "location", "location_reach": 2}},
    "three_layers": {"decoder": {"num_layers": 3}},
    "one_layer": {"decoder": {"num_layers": 1}, "step_head": False},
    "untold_above": {"conditioning": {"kind": "mean", "at": ["decoder1"]}},
}


class Eager:
    """Runs endpoints as they are: to trace them would take longer."""

    def __init__(self, endpoints) -> None:
        self.endpoints = tuple(endpoints)
        self._endpoints = endpoints

    def inputs(self, endpoint):
        specs = self._endpoints[endpoint].inputs
        return {spec.name: tuple(spec.shape.as_list()) for spec in specs}

    def __call__(self, endpoint, inputs):
        shapes = self.inputs(endpoint)
        for name, shape in shapes.items():
            sizes = zip(inputs[name].shape, shape, strict=True)
            assert all(wanted in (size, None) for size, wanted in sizes), name
        made = self._endpoints[endpoint].function(*(inputs[name] for name in shapes))
        return {name: np.asarray(tensor) for name, tensor in made.items()}


@pytest.mark.parametrize("name", quick(VARIANTS, "layer", "one_layer"))
def test_steps_are_the_model(name) -> None:
    model = build(**VARIANTS[name])
    source = row(batch(), 0)
    memory = model.encode(source)
    parts = DecoderSteps(model, 1, WIDTH)
    made = {f"memory_{name}": np.asarray(x) for name, x in memory.items()}
    made |= {name: np.asarray(x) for name, x in parts.first(memory).items()}
    program = Eager(parts.endpoints())
    target = source["target"]
    expected = model(source)["logits"][0].numpy()
    expected -= np.logaddexp.reduce(expected, axis=1, keepdims=True)
    state = state_of(made)
    found = [*Steps(program, made).told(state, target[0], WIDTH)]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    shapes = {name: x.shape for name, x in first_state(program).items()}
    if name != "location":
        assert shapes == {n: (WIDTH, *x.shape[1:]) for n, x in state.items()}
    # One that may not be said has no probability, and changes nothing else.
    units = np.arange(expected.shape[1]) != 5
    bound = next(Steps(program, made, units).told(state, target[0], WIDTH))
    assert bound[5] == -1e9
    np.testing.assert_array_equal(bound[units], found[0][units])
