"""What makes a run's images, as far as a params file tells; runs of one configuration differ in their seeds alone."""

from typing import Any

from adm.config.base import Config
from adm.config.respacing import WARPS, respaced_timesteps
from adm.params.runs import GanRunParams, RunParams, SamplingParams, UpsampledRunParams
from adm.params.schema import Sections

LEFT_OUT = {"seed", "curve", "micro_batch", "compiled", "threads", "checkpoints"}
"""Fields of sections that change no image, or no more than its rounding; and seeds."""

Configuration = dict[str, Any]


def configuration(params: Sections, run: str) -> Configuration:
    """Tell what makes the images of a run, or of the first run of a group, without seeds.

    Fields that do nothing are as if they were left out: those of guidance of no effect, and the temperature of noise
    that is not drawn. `steps` are the timesteps that they stand for. Networks are the sections that they are made from.
    """
    key = params.members(run)[0]
    section = params.scored[key]
    values = _values(section)
    if isinstance(section, GanRunParams):
        return {**values, "gan": _values(params.gans[section.gan])}
    if not isinstance(section, SamplingParams):
        return {"published": key}
    values["checkpoint"] = _network(params, section.checkpoint)
    if isinstance(section, UpsampledRunParams):
        values["base"] = configuration(params, section.base)
    if isinstance(section, RunParams):
        values |= _guidance(params, section)
    if section.eta == 0 and section.sampler != "ddpm":
        values["noise_temperature"] = 1.0
    if not section.steps.startswith(tuple(WARPS)):
        timesteps = params.models[params.model_of(section.checkpoint)].noise.timesteps
        values["steps"] = respaced_timesteps(timesteps, section.steps)
    return values


def _guidance(params: Sections, run: RunParams) -> Configuration:
    """Give the fields of a run's guidance; those that do nothing are None."""
    scale, by_classifier = run.denoiser_scale, run.gradient_scale != 0
    return {
        "classifier": _network(params, run.classifier) if by_classifier and run.classifier else None,
        "classifier_precision": run.classifier_precision if by_classifier else None,
        "gradient_at": run.gradient_at if by_classifier else None,
        "clipping_order": run.clipping_order if by_classifier and run.clipping != "none" else None,
        "cfg_scale": scale if run.guide is None else None,
        "guide": None if scale is None or run.guide is None else (_network(params, run.guide.checkpoint), scale),
        "guidance_interval": run.guidance_interval if by_classifier or scale is not None else None,
    }


def _network(params: Sections, checkpoint: str) -> Any:
    """Tell what a checkpoint is trained from; a published one is known by its key alone."""
    if checkpoint in params.published.checkpoints:
        return checkpoint
    model = params.models[params.model_of(checkpoint)]
    return {**_values(model), "training": _values(model.training), "iteration": params.iteration_of(checkpoint)}


def _values(section: Config) -> Configuration:
    return section.model_dump(mode="json", exclude=LEFT_OUT)


def seeds_of(params: Sections, run: str) -> Any:
    """List the seeds of sampling and of training of a run, or of the runs of a group."""
    sections = [params.scored[member] for member in params.members(run)]
    models = [params.models[params.model_of(one.checkpoint)] for one in sections if isinstance(one, SamplingParams)]
    return [getattr(one, "seed", None) for one in sections], [model.training.seed for model in models]
