"""The registry of samplers: a new sampler needs an entry here and a class."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from adm.params.errors import shown


@dataclass(frozen=True)
class Sampler:
    """A sampler.

    Attributes:
        label: Its name in print.
        made_by: "module:class". The class takes a process, a denoiser, a gradient or None, and the keywords `fields`,
            `noise_temperature` and `epsilon_temperature`; it is called like those of `adm.diffusion.samplers`.
        fields: The fields of a run that only this sampler takes.
    """

    label: str
    made_by: str
    fields: tuple[str, ...] = ()


SAMPLERS: dict[str, Sampler] = {
    "ddpm": Sampler("DDPM", "adm.diffusion.samplers:DDPM", ("gradient_at",)),
    "ddim": Sampler("DDIM", "adm.diffusion.samplers:DDIM", ("eta",)),
}
"""Every sampler, by its name in a run."""

USUAL = "ddpm"
"""The sampler that printed descriptions of runs do not mention."""


def _registered(name: str) -> str:
    if name not in SAMPLERS:
        raise ValueError(f"{shown(name)} is no sampler; there are {', '.join(SAMPLERS)}")
    return name


SamplerName = Annotated[str, AfterValidator(_registered), WithJsonSchema({"enum": [*SAMPLERS]})]
"""The name of a sampler."""
