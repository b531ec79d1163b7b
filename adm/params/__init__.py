"""The params file: one schema for every scale, checked as a whole before anything runs.

This package imports no torch, so the engines can read it in an instant. A file takes this way: `load` merges it with
its bases, `expansion` writes it out, with `entries`, `schema` validates it, `checks` compares its
sections.
"""

from adm.errors import UserError
from adm.params.load import check, load, read
from adm.params.schema import Params

__all__ = ["Params", "UserError", "check", "load", "read"]
