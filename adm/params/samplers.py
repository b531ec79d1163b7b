"""The registry of samplers: an entry here and a class make one."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from adm.params.errors import shown


@dataclass(frozen=True)
class Sampler:
    """A sampler.

    Attributes:
        label: Its name in print.
        made_by: "module:class". It is made of a process, a denoiser, a gradient or None, the keywords `fields`,
            `noise_temperature` and `epsilon_temperature`, and called as those of `adm.diffusion.samplers`.
        fields: The fields of a run that it alone takes.
    """

    label: str
    made_by: str
    fields: tuple[str, ...] = ()


SAMPLERS: dict[str, Sampler] = {
    "ddpm": Sampler("DDPM", "adm.diffusion.samplers:DDPM", ("gradient_at",)),
    "ddim": Sampler("DDIM", "adm.diffusion.samplers:DDIM", ("eta",)),
}
"""Every sampler, by the name that a run gives."""

USUAL = "ddpm"
"""The sampler that goes without saying."""


def _registered(name: str) -> str:
    if name not in SAMPLERS:
        raise ValueError(f"{shown(name)} is no sampler; there are {', '.join(SAMPLERS)}")
    return name


SamplerName = Annotated[str, AfterValidator(_registered), WithJsonSchema({"enum": [*SAMPLERS]})]
"""The name of a sampler."""
