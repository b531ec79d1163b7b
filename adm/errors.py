"""The errors that users see."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches

LONGEST = 2000
"""Characters of a message; names in a file may have any length."""

MOST_NAMED = 12
"""A message lists at most this many keys; of more keys it names those similar to the given one."""


class UserError(ValueError):
    """A mistake outside the code: one line that names the file or key, what was found and what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotFiniteError(UserError):
    """A result is NaN or infinite; nothing computed from it may be kept."""


@contextmanager
def about(place: object = "") -> Iterator[None]:
    """Turn a ValueError of the block into a mistake of the user's, in one line that begins with what it is about."""
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        raise UserError(f"{place}: {error}" if place else str(error)) from error


def one_line(text: str, longest: int = LONGEST) -> str:
    """Put a text on one line: line breaks (for example in a name from a file) are escaped, and a long text is cut."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: longest + 1])
    return escaped if len(escaped) <= longest else f"{escaped[: longest - 4]} ..."


def brief(error: BaseException) -> str:
    """Shorten a library's error about a file."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def accepted(keys: Collection[str], key: str) -> str:
    """Name the accepted keys in the place of `key`: all, or the most similar ones if there are many."""
    if len(keys) <= MOST_NAMED:
        return f"there are {', '.join(keys) or 'none'}"
    close = get_close_matches(key, keys, n=3, cutoff=0.0)
    return f"of the {len(keys)} there are, nearest are {', '.join(close)}"


def some(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """Name the first of several, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


EXTRAS = {
    **dict.fromkeys(("jinja2", "pandas", "sklearn"), "workflow"),
    "tensorflow": "tensorflow",
    "pillow_heif": "heif",
}
"""By the name of a module that is installed only when it is asked for: the extra of `pyproject.toml` that brings it."""


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
