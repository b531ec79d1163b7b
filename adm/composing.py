"""Samplers and guidance as objects: `adm.DDIM(model, steps=25, guidance=adm.Classifier(c, scale=2)).sample([207])`.

A sampler returns a `Model` that samples so wherever nothing else is said. It does what its arguments name, and no
more: without `guidance` no classifier guides, and what the model's file recommends is left out.
"""

from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any

from adm.api import Model, open_guiding
from adm.errors import UserError

Interval = tuple[float, float]
"""From where to where in the process guidance is used: low <= t / T <= high."""


@dataclass(frozen=True)
class Classifier:
    """The gradient of a noisy classifier.

    Attributes:
        network: The classifier: a file, a folder or a name, as for `adm.load`, or one that is loaded.
        scale: s.
        interval: Where it guides; None is everywhere.

    Predicted images are clipped after they are shifted by the gradient, unless `clipping_order` says "before", as the
    paper's DDIM has it: where alpha_bar is tiny, as at the last timesteps of a cosine schedule, guidance moves them far
    out of range.

    Source: Algorithms 1 and 2.
    """

    network: Any
    scale: float = 1.0
    interval: Interval | None = None

    def guide(self, model: Model) -> Model:
        """Return the model, guided.

        Raises:
            UserError: The classifier does not fit the model.
        """
        opened = open_guiding("classifier", self.network, model.opened, model.device)
        return _told(replace(model, classifier=opened), self.interval, scale=self.scale)


@dataclass(frozen=True)
class ClassifierFree:
    """The model without the class, for models that were trained with `label_dropout`: eps_u + s (eps - eps_u).

    Attributes:
        scale: s; 1 is no guidance.
        interval: Where it guides; None is everywhere.

    Source: Ho & Salimans (2022).
    """

    scale: float
    interval: Interval | None = None

    def guide(self, model: Model) -> Model:
        """Return the model, guided."""
        return _told(model, self.interval, cfg_scale=self.scale)


@dataclass(frozen=True)
class Autoguidance:
    """A weaker model, such as an earlier checkpoint: eps_w + s (eps - eps_w).

    Attributes:
        network: The weaker model: a file, a folder or a name, as for `adm.load`, or a loaded one.
        scale: s; 1 is no guidance.
        interval: Where it guides; None is everywhere.

    Source: Karras et al. (2024).
    """

    network: Any
    scale: float
    interval: Interval | None = None

    def guide(self, model: Model) -> Model:
        """Return the model, guided.

        Raises:
            UserError: The weaker model does not fit the model.
        """
        opened = open_guiding("guide", self.network, model.opened, model.device)
        return _told(replace(model, guide=opened), self.interval, guide={"scale": self.scale})


Guidance = Classifier | ClassifierFree | Autoguidance
"""What guides a model."""


def DDPM(model: Model, steps: str | int = "250", guidance: Guidance | None = None, **fields: Any) -> Model:
    """Sample ancestrally.

    Args:
        model: What is sampled.
        steps: How many of the sampler's own spacing, N for DDPM, "ddimN", "logsnrN" and "rhoN", or a schedule, as for
            `Model.sample`.
        guidance: What guides, if anything.
        fields: Further fields of a run in a params file, such as `noise_temperature=0.95`.

    Raises:
        UserError: A value is not accepted, or does not fit the model.

    Source: Algorithm 1.
    """
    return _sampled("ddpm", "", model, steps, guidance, fields)


def DDIM(model: Model, steps: str | int = "ddim25", guidance: Guidance | None = None, **fields: Any) -> Model:
    """Sample by DDIM; `eta=1` adds noise as DDPM does. Arguments are those of `DDPM`. Source: Algorithm 2."""
    return _sampled("ddim", "ddim", model, steps, guidance, fields)


def DPMSolverPP(model: Model, steps: str | int = "logsnr25", guidance: Guidance | None = None, **fields: Any) -> Model:
    """Sample by DPM-Solver++(2M), of the SDE with `eta=1`. Arguments are those of `DDPM`. Source: Lu et al. (2022)."""
    return _sampled("dpm_solver_pp", "logsnr", model, steps, guidance, fields)


def UniPC(model: Model, steps: str | int = "logsnr10", guidance: Guidance | None = None, **fields: Any) -> Model:
    """Sample by UniPC, of `order` 2 or 3. Arguments are those of `DDPM`. Source: Zhao et al. (2023)."""
    return _sampled("unipc", "logsnr", model, steps, guidance, fields)


def Heun(model: Model, steps: str | int = "rho18", guidance: Guidance | None = None, **fields: Any) -> Model:
    """Sample by Heun's method, two evaluations a step. Arguments are those of `DDPM`. Source: Karras et al. (2022)."""
    return _sampled("heun", "rho", model, steps, guidance, fields)


def _sampled(
    sampler: str, spacing: str, model: Model, steps: str | int, guidance: Guidance | None, fields: dict[str, Any]
) -> Model:
    if not isinstance(model, Model):
        raise UserError(f"model: is {type(model).__name__}; adm.load makes one")
    if not isinstance(guidance, Guidance | None):
        raise UserError(f"guidance: is {guidance!r}; adm.Classifier(file, scale=1) and the like are accepted")
    if isinstance(steps, Integral):
        steps = f"{spacing}{steps}"
    plain = replace(model, classifier=None, guide=None, how={"sampler": sampler, "steps": steps, **fields})
    made = plain if guidance is None else guidance.guide(plain)
    made.run_of(1)
    return made


def _told(model: Model, interval: Interval | None, **scale: Any) -> Model:
    where = {} if interval is None else {"guidance_interval": interval}
    return replace(model, how={**model.how, **scale, **where})
