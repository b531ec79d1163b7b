"""The params file: one schema for every scale, checked as a whole before anything runs.

This package imports no torch, so that the engines can read it in an instant.
"""

from adm.params.errors import UserError
from adm.params.file import Params, check, load, read

__all__ = ["Params", "UserError", "check", "load", "read"]
