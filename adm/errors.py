"""The errors that users see."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

LONGEST = 2000
"""Characters of a message; names in a file may have any length."""


MOST_NAMED = 12
"""A message lists at most this many keys; of more keys it names those similar to the given one."""


class UserError(Exception):
    """A mistake outside the code: one line that names the file or key, what was found and what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotFiniteError(UserError):
    """A result is NaN or infinite; nothing computed from it may be kept."""


def one_line(text: str) -> str:
    """A text on one line: line breaks (for example in a name from a file) are escaped, and a long text is cut."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: LONGEST + 1])
    return escaped if len(escaped) <= LONGEST else f"{escaped[: LONGEST - 4]} ..."


def brief(error: BaseException) -> str:
    """A library's error about a file, shortened."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def shown(value: Any) -> str:
    """Any value, printed for a message."""
    try:
        return repr(value)
    except (ValueError, RecursionError):  # too many digits, or too deep
        return f"a {type(value).__name__} that cannot be printed"


def accepted(keys: Collection[str], key: str) -> str:
    """A phrase that names the accepted keys in the place of `key`: all, or the most similar ones if there are many."""
    if len(keys) <= MOST_NAMED:
        return f"there are {', '.join(keys) or 'none'}"
    close = get_close_matches(key, keys, n=3, cutoff=0.0)
    return f"of the {len(keys)} there are, nearest are {', '.join(close)}"


def some(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
