"""Writes a model of packed weights: for Keras, as a SavedModel, and what that costs."""

from export.interfaces import Job
from export.optimal_clipping.allocation import within_budget
from export.optimal_clipping.figures import write_figures
from export.optimal_clipping.walking import quantize_model
from export.saved_model import write_saved_model
from tfmodels.quantization.policy import default_policy
from trainers.tasks.models import build_model

FOLDER = "saved_model_clipped"
MODEL = "clipped.keras"


def write_clipped(job: Job, bits: int) -> dict[str, str]:
    """Writes the model with its weights clipped and packed.

    ``export.clipping`` of the run's configuration is asked first about each layer, then
    `default_policy`.

    Args:
      job: of the run to export; its model stays as it is.
      bits: of a weight for which no rule of the run's says otherwise.

    Returns:
      The SavedModel's kind and path.

    Raises:
      ConfigError: the model has no layer that can be packed, or the budget
        is too small.
      DataError: a weight is not finite.
    """
    experiment = job.run.experiment
    model = job.signatures.deployed(build_model(experiment.model, "float32"))
    model.set_weights(job.model.get_weights())
    policy = default_policy(bits, experiment.export.clipping)
    budget = experiment.export.clipping_budget
    if budget is not None:
        policy = within_budget(model, policy, budget)
    write_figures(quantize_model(model, policy), job.folder)
    model.save(job.folder / MODEL)
    endpoints = job.signatures.serving(model)
    write_saved_model(model, endpoints, job.folder / FOLDER)
    return {"saved_model_clipped": FOLDER}
