"""Writes a model of packed weights: for Keras, as a SavedModel, and what that costs."""

from functools import partial

import keras

from export.interfaces import Job
from export.optimal_clipping.allocation import within_budget
from export.optimal_clipping.answers import Comparison
from export.optimal_clipping.calibration import Calibration
from export.optimal_clipping.examples import examples
from export.optimal_clipping.figures import kept_of
from export.optimal_clipping.figures import write_figures
from export.optimal_clipping.walking import clip_model
from export.optimal_clipping.walking import quantize_model
from export.saved_model import write_saved_model
from tfmodels.quantization.packed_model import storable
from tfmodels.quantization.policy import Policy
from tfmodels.quantization.policy import default_policy
from trainers.tasks.models import build_model

FOLDER = "saved_model_clipped"
MODEL = "clipped.keras"


def write_clipped(job: Job, bits: int, packed: bool = True) -> dict[str, str]:
    """Writes the model with its weights clipped, and packed if wanted.

    ``export.clipping`` of the run's configuration is asked first about each layer, then
    `default_policy`.

    Args:
      job: of the run to export; its model stays as it is.
      bits: of a weight for which no rule of the run's says otherwise.
      packed: whether clipped weights become codes, or stay in floating point.

    Returns:
      The SavedModel's kind and path.

    Raises:
      ConfigError: the model has no layer that can be packed, a rule or the budget does
        not suit it.
      DataError: a weight is not finite, or the disk is full.
    """
    experiment = job.run.experiment
    model = job.signatures.deployed(build_model(experiment.model, "float32"))
    model.set_weights(job.model.get_weights())
    policy = default_policy(bits, experiment.export.clipping)
    budget = experiment.export.clipping_budget
    if budget is not None:
        policy = within_budget(model, policy, budget)
    calibration = _calibration(job, policy, model)
    if packed:
        figures = quantize_model(
            model, policy, job.progress, calibration, job.distribution
        )
    else:
        figures = clip_model(model, policy, calibration, job.distribution)
    most = experiment.export.report_examples
    answers = Comparison(job.run.task, job.model, model, most)()
    write_figures(figures, job.folder, kept_of(model) if packed else (), answers)
    storable(model).save(job.folder / MODEL)
    endpoints = job.signatures.serving(model)
    write_saved_model(model, endpoints, job.folder / FOLDER)
    return {"saved_model_clipped": FOLDER}


def _calibration(job: Job, policy: Policy, model: keras.Model) -> Calibration | None:
    """What tells of inputs, if a rule asks for them."""
    if all(rule.calibration is None for rule in policy.rules):
        return None
    task = job.run.task
    batches = examples(job.run.experiment, task, job.model)
    return Calibration(partial(task.outputs, model, training=False), batches)
