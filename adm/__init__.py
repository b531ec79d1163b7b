"""Diffusion Models Beat GANs on Image Synthesis (Dhariwal & Nichol, 2021) as a reproducible workflow.

`adm.load`, `adm.train`, `adm.score`, `adm.fid`, `adm.Model`, `adm.UserError`, and what samplers and guidance are
composed of (`adm.composing`) are the Python interface. It is imported when one of them is first asked for:
`import adm` alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adm.api import Model, fid, load, score, train
    from adm.composing import DDIM, DDPM, Autoguidance, Classifier, ClassifierFree, DPMSolverPP, Heun, UniPC
    from adm.errors import UserError

__all__ = [
    "DDIM",
    "DDPM",
    "Autoguidance",
    "Classifier",
    "ClassifierFree",
    "DPMSolverPP",
    "Heun",
    "Model",
    "UniPC",
    "UserError",
    "fid",
    "load",
    "score",
    "train",
]

HOMES = {"adm.errors": ("UserError",), "adm.api": ("Model", "fid", "load", "score", "train")}
"""The modules of names; the others are of `adm.composing`."""


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = next((module for module, names in HOMES.items() if name in names), "adm.composing")
    return getattr(import_module(home), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
