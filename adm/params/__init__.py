"""The params file: one schema for every scale, checked as a whole before anything runs.

This package imports no torch, so the engines can read it in an instant. Each module imports only from those before it:
sections, `schema` with its look-ups, `checks`, `seeds`, `bases`, `sweeps`, `shorthand`, `expansion`, `load`.
"""

from adm.errors import UserError
from adm.params.load import check, load
from adm.params.reading import read
from adm.params.schema import Params

__all__ = ["Params", "UserError", "check", "load", "read"]
