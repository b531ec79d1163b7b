"""Checks of what guides a run beside a classifier: models that can, and steps to guide."""

from adm.config.models import check_equal
from adm.params.models import DiffusionModelParams
from adm.params.runs import RunParams
from adm.params.schema import Params


def check_guides(params: Params, place: str, run: RunParams, name: str) -> None:
    """Check a run's `cfg_scale`, `guide` and `guidance_interval`.

    Args:
        params: The params file.
        place: The run's place in it.
        run: The run, whose checkpoint and steps were checked.
        name: The key of its model.

    Raises:
        ValueError: A check fails; the message names the key, the value and what is accepted.
    """
    model = params.models[name]
    if run.cfg_scale is not None and not model.training.label_dropout:
        raise ValueError(
            f"{place}.cfg_scale: model {name!r} is trained without label_dropout, so it predicts nothing without a "
            "class; give its training label_dropout, or leave cfg_scale out"
        )
    if run.guide is not None:
        _check_guide(params, f"{place}.guide.checkpoint", run, name)
    if not run.guided_steps(model.noise.timesteps):
        raise ValueError(
            f"{place}.guidance_interval: {run.guidance_interval} holds none of the steps {run.steps!r} of "
            f"{model.noise.timesteps}; widen it"
        )


def _check_guide(params: Params, place: str, run: RunParams, name: str) -> None:
    assert run.guide is not None
    model, owner = params.models[name], f"model {name!r}"
    guide = params.models[params.model_of(run.guide.checkpoint)]
    if not isinstance(guide, DiffusionModelParams):
        raise ValueError(f"{place}: {run.guide.checkpoint!r} is of kind {guide.kind!r}, not 'diffusion'")
    if run.guide.checkpoint == run.checkpoint:
        raise ValueError(f"{place}: {run.checkpoint!r} cannot guide itself; name a weaker one, such as an earlier one")
    # The guide's variance is not used.
    for field in (field for field in model.noise.model_fields if field != "variance"):
        check_equal(place, field, getattr(guide.noise, field), owner, getattr(model.noise, field))
    for field in ("image_size", "image_channels", "num_classes"):
        check_equal(place, field, getattr(guide.network, field), owner, getattr(model.network, field))
