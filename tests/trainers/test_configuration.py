"""Experiments from YAML: what is accepted, what a wrong file is told, round trips."""

import json
import pathlib
from collections.abc import Callable

import hypothesis
import hypothesis.strategies as st
import pydantic
import pytest

from tfmodels.config import Config
from tfmodels.errors import ConfigError
from trainers import kinds
from trainers.configuration import ABSENT
from trainers.configuration import Change
from trainers.configuration import difference
from trainers.configuration import dump
from trainers.configuration import find_config
from trainers.configuration import load_experiment
from trainers.configuration import read_yaml
from trainers.configuration import schema
from trainers.experiment import Experiment
from trainers.optimizers.config import MomentumSGD
from trainers.tasks.config import ImageClassificationConfig

MINIMAL = """
task: {kind: image_classification}
model: {kind: googlenet}
data: {kind: digits, batch_size: 64}
objective: {kind: cross_entropy}
optimizer:
  kind: sgd
  momentum: 0.9
  learning_rate: {kind: constant, initial: 1e-2}
run: {steps: 2 epochs}
"""

STAGED = MINIMAL.replace(
    "run: {steps: 2 epochs}",
    """
stages:
  - {name: first, steps: 10}
  - name: second
    steps: 1 epoch
    freeze: [^stem/]
    optimizer: {kind: adam, learning_rate: {kind: cosine, initial: 1e-3}}
""",
)

Write = Callable[[str], pathlib.Path]


@pytest.fixture
def write(tmp_path: pathlib.Path) -> Write:
    def write_file(text: str) -> pathlib.Path:
        file = tmp_path / "experiment.yaml"
        file.write_text(text, encoding="utf-8")
        return file

    return write_file


def test_a_minimal_file_is_filled_with_defaults(write: Write):
    experiment = load_experiment(write(MINIMAL))
    assert experiment.model.kind == "googlenet"
    assert experiment.data.batch_size == 64
    assert experiment.optimizer.learning_rate.initial == 0.01
    assert experiment.run.precision == "float32"
    assert experiment.strategy.kind == "data_parallel"
    with pytest.raises(pydantic.ValidationError):
        experiment.run.seed = 1


def test_without_stages_there_is_one(write: Write):
    experiment = load_experiment(write(MINIMAL))
    (stage,) = experiment.training_stages()
    assert stage.name == "train"
    assert stage.steps == "2 epochs"
    assert stage.optimizer == experiment.optimizer
    assert stage.freeze == ()


def test_stages_replace_whole_sections(write: Write):
    experiment = load_experiment(write(STAGED))
    first, second = experiment.training_stages()
    assert (first.name, first.steps) == ("first", 10)
    assert first.optimizer == experiment.optimizer
    assert second.optimizer.kind == "adam"
    assert second.objective == experiment.objective
    assert second.data == experiment.data
    assert second.freeze == ("^stem/",)


WRONG = {
    "optimizer.learning_rat=1": ["optimizer.learning_rat:", "mean learning_rate?"],
    "optimizer.momentun=0.5": ["optimizer.momentun:", "MomentumSGD", "mean momentum?"],
    "run.step=5": ["run.step:", "RunConfig", "mean steps?", "Received 5"],
    "models.kind=googlenet": ["models:", "Experiment", "mean model?"],
    "model.kind=googlnet": ["model: unknown kind", "mean googlenet?", "googlnet"],
    "task.kind=images": ["task:", "image_classification", '"images"'],
    "data={batch_size: 4}": ["data:", "'kind' is missing"],
    "task={}": ["task:", "'kind' is missing"],
    "run.seed='3'": ["run.seed:", "integer", 'Received "3"'],
    "run.seed=true": ["run.seed:", "integer", "Received true"],
    "run.xla=1": ["run.xla:", "boolean", "Received 1"],
    "run.log_every=0": ["run.log_every:", "greater than or equal to 1", "Received 0"],
    "run.loss_bound=.inf": ["run.loss_bound:", "finite"],
    "run.steps=[1]": ["run.steps:", "valid integer or a valid string", "Received [1]"],
    "run.steps=3 epoch s": ["run.steps:", "'2.5 epochs'", "'3 epoch s'"],
    "run.checkpoint_every=0": ["run.checkpoint_every:", "at least one step"],
    "run.evaluate_every=0 epochs": ["run.evaluate_every:", "at least one step"],
    "run.steps=": ["either run.steps or stages", "run.steps: None"],
    "run.accumulation=7": ["multiple of run.accumulation", "data.batch_size: 64"],
    "run=5": ["run:", "mapping", "Received 5"],
    "optimizer.learning_rate.initial=": ["optimizer.learning_rate.initial:", "null"],
    "optimizer.learning_rate={kind: constant}": ["optimizer.learning_rate.initial:"],
    "objective.auxiliary_weights={a: b}": ["objective.auxiliary_weights.a:", "number"],
    "objective.label_smoothing=1": ["label_smoothing: expected a number less than 1"],
    "stages=[{name: a, steps: 1}]": ["either run.steps or stages", "['a']"],
    "stages=[{name: a, steps: 1, freezes: []}]": ["stages[0].freezes:", "mean freeze?"],
    "stages=[{name: A b, steps: 1}]": ["stages[0].name:", "pattern"],
    "stages=[{name: a, steps: 1, freeze: ['(']}]": ["stages[0].freeze[0]:", "regular"],
    "description=!!set {a}": ["set is not JSON serializable"],
    "description=&a [*a]": ["Circular reference"],
}


@pytest.mark.parametrize("change", WRONG)
def test_a_wrong_value_is_named_with_its_key(write: Write, change: str):
    file = write(MINIMAL)
    with pytest.raises(ConfigError) as caught:
        load_experiment(file, [change])
    message = str(caught.value)
    assert str(file) in message
    for part in WRONG[change]:
        assert part in message
    assert "Traceback" not in message
    assert "pydantic" not in message


def test_every_wrong_key_is_reported_at_once(write: Write):
    with pytest.raises(ConfigError) as caught:
        load_experiment(write(MINIMAL), ["run.sed=1", "data.batch_size=x"])
    assert "run.sed:" in str(caught.value)
    assert "data.batch_size:" in str(caught.value)


def test_two_stages_of_one_name_are_refused(write: Write):
    with pytest.raises(ConfigError, match="same name"):
        load_experiment(write(STAGED.replace("name: second", "name: first")))


def test_micro_batches_are_checked_in_stages_too(write: Write):
    stage = "{name: odd, steps: 1, data: {kind: digits, batch_size: 3}}"
    changes = ["run.steps=", "run.accumulation=2", f"stages=[{stage}]"]
    with pytest.raises(ConfigError, match=r"data\.batch_size: 3"):
        load_experiment(write(MINIMAL), changes)


def test_data_must_suit_the_task(write: Write, monkeypatch: pytest.MonkeyPatch):
    table = kinds.DATA_OF_TASK
    monkeypatch.setitem(table, ImageClassificationConfig, (MomentumSGD,))
    with pytest.raises(ConfigError, match=r"do not suit the task image_classification"):
        load_experiment(write(MINIMAL))


def test_a_duplicate_key_is_found_with_its_line(write: Write):
    with pytest.raises(ConfigError, match=r'line 11, column 1: .*duplicate key "run"'):
        load_experiment(write(MINIMAL + "run: {steps: 3}\n"))


def test_broken_syntax_is_found_with_its_line(write: Write):
    with pytest.raises(ConfigError, match=r"line 4, column 1"):
        load_experiment(write("a: 1\nb: [1,\n  2\n"))


@pytest.mark.parametrize(
    "text",
    ["", "- 1\n", "just text", "a: !!python/name:os.system\n", "a: &a [*a]", "\x00"],
)
def test_what_is_no_experiment_is_refused(write: Write, text: str):
    with pytest.raises(ConfigError, match=r"experiment\.yaml"):
        load_experiment(write(text))


def test_text_in_another_encoding_is_refused(tmp_path: pathlib.Path):
    file = tmp_path / "latin.yaml"
    file.write_bytes("description: Grüße\n".encode("latin-1"))
    with pytest.raises(ConfigError, match="UTF-8"):
        load_experiment(file)


def test_a_missing_file_is_told_what_there_is():
    with pytest.raises(ConfigError, match=r"no such file.*googlenet/tiny\?.*Expected"):
        find_config("configs/googlenet/tini.yaml")


@pytest.mark.parametrize("name", ["googlenet/tiny", "configs/googlenet/tiny.yaml"])
def test_shipped_configs_are_found_from_anywhere(
    name: str, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    assert find_config(name).is_file()


@pytest.mark.parametrize("text", [MINIMAL, STAGED], ids=["minimal", "staged"])
def test_what_dump_writes_is_the_same_experiment(write: Write, text: str):
    experiment = load_experiment(write(text), ["description='no: # 1e3'"])
    again = load_experiment(write(dump(experiment)))
    assert again == experiment
    assert difference(experiment, again) == []


@hypothesis.settings(deadline=None, max_examples=60)
@hypothesis.given(
    st.floats(min_value=1e-300, max_value=1e300), st.text(max_size=30), st.booleans()
)
def test_any_value_survives_dump(rate: float, text: str, flag: bool):
    values = read_yaml(MINIMAL, "test")
    values["optimizer"]["learning_rate"]["initial"] = rate
    values["description"] = text
    values["run"]["xla"] = flag
    experiment = Experiment.parse(values)
    assert Experiment.parse(read_yaml(dump(experiment), "dump")) == experiment


def test_difference_names_keys_and_both_values(write: Write):
    file = write(MINIMAL)
    first = load_experiment(file)
    second = load_experiment(
        file, ["run.seed=4", "data.augmentation={kind: shift, pixels: 2}"]
    )
    assert difference(first, second) == [
        Change("data.augmentation.kind", "none", "shift"),
        Change("run.seed", 0, 4),
        Change("data.augmentation.pixels", ABSENT, 2),
    ]
    assert str(difference(first, second)[1]) == "run.seed: 0 -> 4"


def test_difference_looks_into_stages(write: Write):
    first = load_experiment(write(STAGED))
    second = load_experiment(write(STAGED.replace("steps: 10", "steps: 11")))
    assert difference(first, second) == [Change("stages[0].steps", 10, 11)]


def test_schema_describes_every_section():
    document = schema()
    assert set(document["properties"]) == set(Experiment.model_fields)
    run = document["$defs"]["RunConfig"]["properties"]
    assert "Micro-batches" in run["accumulation"]["description"]
    undescribed = [name for name, field in run.items() if "description" not in field]
    assert not undescribed
    kinds = document["properties"]["optimizer"]["discriminator"]["mapping"]
    assert set(kinds) == {"sgd", "rmsprop", "adam", "adagrad"}
    json.dumps(document)


def test_parse_refuses_what_is_not_data():
    class Example(Config):
        x: int = 0

    with pytest.raises(ConfigError, match="numbers, strings"):
        Example.parse({"x": object()})
    with pytest.raises(ConfigError, match=r"x: expected a valid integer"):
        Example.parse({"x": 1.5})
