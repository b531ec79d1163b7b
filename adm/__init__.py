"""Diffusion Models Beat GANs on Image Synthesis (Dhariwal & Nichol, 2021) as a reproducible workflow.

`adm.load`, `adm.score`, `adm.Model` and `adm.UserError` are the Python interface. It is imported when one of them is
first asked for: `import adm` alone imports no torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from adm.api import Model, load, score
    from adm.errors import UserError

__all__ = ["Model", "UserError", "load", "score"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("adm.errors" if name == "UserError" else "adm.api"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
