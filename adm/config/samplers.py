"""The registry of samplers: a new sampler needs an entry here and a class."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from adm.config.registry import OneOf, Registry


def heun_evaluations(steps: int) -> int:
    """Count the evaluations of Heun's method: two a step, and one at the last."""
    return 2 * steps - 1


@dataclass(frozen=True)
class Sampler:
    """A sampler.

    Attributes:
        label: Its name in print.
        made_by: "module:class". The class takes a process, a denoiser, a gradient or None, and the keywords `fields`,
            `noise_temperature`, `epsilon_temperature` and `clipping`; it is called like those of
            `adm.diffusion.samplers`.
        fields: The fields of a run that not all samplers take.
        evaluations: How often it evaluates the denoiser, and a classifier, in so many steps; `int`: once in each.
        inpaints: Whether a step goes on from the x_t that it is given, of which pixels may have been replaced.
    """

    label: str
    made_by: str
    fields: tuple[str, ...] = ()
    evaluations: Callable[[int], int] = int
    inpaints: bool = True


SAMPLERS: Registry[Sampler] = Registry(
    "sampler",
    {
        "ddpm": Sampler("DDPM", "adm.diffusion.samplers:DDPM"),
        # In these guidance shifts the predicted image; in DDPM it shifts the mean of x_{t-1}.
        "ddim": Sampler("DDIM", "adm.diffusion.samplers:DDIM", ("eta", "clipping_order")),
        "dpm_solver_pp": Sampler("DPM-Solver++(2M)", "adm.diffusion.solvers:DPMSolverPP", ("eta", "clipping_order")),
        "unipc": Sampler("UniPC", "adm.diffusion.solvers:UniPC", ("order", "clipping_order"), inpaints=False),
        "heun": Sampler("Heun", "adm.diffusion.solvers:Heun", ("clipping_order",), heun_evaluations),
    },
)
"""Every sampler, by its name in a run."""

FAST_STEPS = 12
"""Steps of "fast": FID is within its interval of that in twice as many (docs/speed.md)."""

USUAL = "ddpm"
"""The sampler that printed descriptions of runs do not mention."""

SamplerName = Annotated[str, OneOf(SAMPLERS)]
"""The name of a sampler."""


def fast(timesteps: int) -> dict[str, Any]:
    """Return the fields of a run that "fast" means for a process of so many timesteps."""
    return {"sampler": "dpm_solver_pp", "eta": 1.0, "steps": f"logsnr{min(FAST_STEPS, timesteps)}"}
