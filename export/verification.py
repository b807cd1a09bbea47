"""Compares the forms of an exported model on the same real inputs, within bounds."""

from collections.abc import Callable
from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from export.artefact import MODEL
from export.interfaces import Arrays
from export.loading import Artefact
from export.presets import PRESETS
from tfmodels.errors import CheckFailed
from tfmodels.errors import ConfigError
from tfmodels.errors import DataError
from trainers.experiment import Experiment
from trainers.interfaces import Task
from trainers.interfaces import Totals
from trainers.stages import open_task
from trainers.totals import add_totals

REFERENCE = "keras"
"""What the others are compared with: ``model.keras`` run by Keras."""


class Check(NamedTuple):
    """One form of the model beside Keras."""

    kind: str
    """``keras``, ``saved_model``, ``tflite`` ..."""
    num_bytes: int
    """Size of its files."""
    errors: dict[str, float]
    """Largest difference from Keras by output, as a share of the output's range."""
    bound: float
    """What `errors` must not exceed."""
    agreement: float
    """Share of answers, by their weights, that are those of Keras."""
    metrics: dict[str, float]
    """The task's figures, as `trainers.evaluate` reports them."""


class Verification(NamedTuple):
    """The comparison of all forms of one artefact."""

    split: str
    """Where the examples come from."""
    num_examples: int
    """How many were compared."""
    accuracy: str
    """Name of the figure in `Check.metrics` that must not drop."""
    checks: tuple[Check, ...]
    """All forms, Keras first."""
    failures: tuple[str, ...]
    """Every bound that is exceeded, in words; none when all is well."""

    def check(self) -> None:
        """Refuses an artefact that is not what was trained.

        Raises:
          CheckFailed: a bound is exceeded; all that are, are listed.
        """
        if self.failures:
            listed = "\n".join(f"  {failure}" for failure in self.failures)
            raise CheckFailed(f"The exported model is not what was trained:\n{listed}")


@dataclass
class Tally:
    """Running figures of one form."""

    errors: dict[str, float] = field(default_factory=dict)
    lowest: dict[str, float] = field(default_factory=dict)
    highest: dict[str, float] = field(default_factory=dict)
    agreed: float = 0.0
    weight: float = 0.0
    num_examples: int = 0
    totals: Totals = field(default_factory=dict)

    def spread(self, name: str) -> float:
        """The range of an output's values."""
        return self.highest[name] - self.lowest[name]

    def add(
        self,
        expected: Arrays,
        outputs: Arrays,
        agreed: np.ndarray,
        weights: np.ndarray,
    ) -> None:
        """Counts a batch.

        Args:
          expected: what Keras computed, float [b, ...].
          outputs: the same of this form.
          agreed: where the answers are alike, bool [b] or, for sequences, [b, T].
          weights: of the answers, float32 of the same shape.
        """
        for name, values in outputs.items():
            # Figures judge what is made of several arrays, as speech is.
            if isinstance(values, Mapping):
                continue
            # Whole numbers, as of tokens, are right or wrong: agreement counts them.
            if np.issubdtype(np.asarray(values).dtype, np.integer):
                continue
            error = float(np.max(np.abs(values - expected[name])))
            # Not a number must not hide: it compares as larger than any bound.
            error = np.inf if np.isnan(error) else error
            self.errors[name] = max(error, self.errors.get(name, 0.0))
            low, high = float(np.min(values)), float(np.max(values))
            self.lowest[name] = min(low, self.lowest.get(name, np.inf))
            self.highest[name] = max(high, self.highest.get(name, -np.inf))
        self.agreed += float(np.sum(weights * agreed))
        self.weight += float(np.sum(weights))
        self.num_examples += _num_examples(weights)


def verify_artefact(
    artefact: Artefact,
    max_examples: int = 2000,
    progress: Callable[[int], None] = lambda count: None,
) -> Verification:
    """Runs Keras and every other form of a model on held-out examples.

    Keras gets its input from the pipeline that evaluates, the SavedModel gets the raw
    example, so that its own preprocessing is compared too.

    Args:
      artefact: an exported model; its configuration says where the examples are.
      max_examples: a larger split is sampled at even distances.
      progress: called with the number of examples compared since the last call.

    Raises:
      ConfigError: the run's data have no held-out split.
      DataError: not one example can be read.
    """
    signatures = artefact.signatures
    stage = artefact.experiment.training_stages()[-1]
    task = open_task(artefact.experiment, stage.data)
    split = _held_out(task)
    programs = {REFERENCE: artefact.reference(), **artefact.programs}
    tallies = {kind: Tally() for kind in programs}
    for batch in signatures.examples(split, max_examples):
        if not np.any(batch["weight"]):
            continue
        outputs = {
            kind: signatures.outputs(program, batch)
            for kind, program in programs.items()
        }
        expected = outputs[REFERENCE]
        for kind, tally in tallies.items():
            agreed = signatures.agreement(expected, outputs[kind])
            weights = np.asarray(batch["weight"])
            tally.add(expected, outputs[kind], agreed, weights)
            metrics = task.metrics(outputs[kind], batch)
            tally.totals = add_totals(tally.totals, metrics)
        progress(_num_examples(batch["weight"]))
    num_examples = tallies[REFERENCE].num_examples
    if not num_examples:
        raise DataError(
            "there is nothing to verify the artefact with. Expected readable examples"
            f" in the split {split}. Received none; look at data.{split}."
        )
    checks = _checks(artefact, task, tallies)
    return Verification(
        split,
        num_examples,
        signatures.accuracy,
        checks,
        _failures(artefact.experiment, signatures.accuracy, checks),
    )


def _num_examples(weights: np.ndarray) -> int:
    """How many rows of a batch count."""
    return sum(bool(np.any(row)) for row in weights)


def _held_out(task: Task) -> str:
    for split in ("test", "validation"):
        if split in task.splits:
            return split
    raise ConfigError(
        "there is nothing to verify the artefact with. Expected data.test or"
        " data.validation. Received data with the training split only."
    )


def _checks(
    artefact: Artefact, task: Task, tallies: Mapping[str, Tally]
) -> tuple[Check, ...]:
    reference = tallies[REFERENCE]
    paths = {kind: entry.path for kind, entry in artefact.manifest.programs.items()}
    checks = []
    for kind, tally in tallies.items():
        errors = {
            name: error / max(reference.spread(name), 1e-30)
            for name, error in tally.errors.items()
        }
        checks.append(
            Check(
                kind,
                _size(artefact.path / paths.get(kind, MODEL)),
                errors,
                # The SavedModel is in every artefact, with a preset of its own name.
                PRESETS.get(kind, PRESETS[artefact.manifest.preset]).bound,
                tally.agreed / tally.weight,
                task.report(tally.totals),
            )
        )
    return tuple(checks)


def _size(path: Path) -> int:
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def _failures(
    experiment: Experiment, accuracy: str, checks: tuple[Check, ...]
) -> tuple[str, ...]:
    limits = experiment.export
    failures = []
    for check in checks:
        failures += [
            f"{check.kind}: the error of {name} is {error:.2g} of its range; expected"
            f" at most {check.bound:.2g}"
            for name, error in check.errors.items()
            if not error <= check.bound
        ]
        if check.agreement < limits.min_agreement:
            failures.append(
                f"{check.kind}: {check.agreement:.2%} of the answers are Keras's;"
                f" expected at least {limits.min_agreement:.2%}"
                " (export.min_agreement)"
            )
        drop = checks[0].metrics[accuracy] - check.metrics[accuracy]
        if drop > limits.max_accuracy_drop:
            failures.append(
                f"{check.kind}: {accuracy} drops by {drop:.4f}; expected at most"
                f" {limits.max_accuracy_drop} (export.max_accuracy_drop)"
            )
    return tuple(failures)
