"""What is installed only when it is asked for: the extra of `pyproject.toml` that brings a module."""

from collections.abc import Iterator
from contextlib import contextmanager

from adm.errors import UserError

EXTRAS = {
    **dict.fromkeys(("jinja2", "pandas", "sklearn"), "workflow"),
    "tensorflow": "tensorflow",
}
"""By the name of a module that some command imports: the extra."""


@contextmanager
def extras_named() -> Iterator[None]:
    """Name the extra of a module that the block imports, if it is not installed.

    Raises:
        UserError: The module is one that an extra brings.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        module = (error.name or "").partition(".")[0]
        if module not in EXTRAS:
            raise
        extra = EXTRAS[module]
        raise UserError(f"{module}: is not installed, and this needs it; type: pip install 'adm[{extra}]'") from error
