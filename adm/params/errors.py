"""The one error that users meet."""

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from typing import Any

LONGEST = 2000
"""Characters of a message; names that a file gives may be of any length."""


MOST_NAMED = 12
"""Keys that a message lists; of more it names those that look like the one given."""


class UserError(Exception):
    """A mistake outside the code: one line that names the file or key, what was found and what is accepted."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotFiniteError(UserError):
    """Numbers came out NaN or infinite: nothing that is made of them may be kept."""


def one_line(text: str) -> str:
    """The text on one line: what breaks lines in a name that a file gives is escaped, and a long text is cut."""
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: LONGEST + 1])
    return escaped if len(escaped) <= LONGEST else f"{escaped[: LONGEST - 4]} ..."


def brief(error: BaseException) -> str:
    """What a library has against a file, in short."""
    return " ".join(str(error).split())[:120] or type(error).__name__


def shown(value: Any) -> str:
    """A value in a message, whatever it is."""
    try:
        return repr(value)
    except (ValueError, RecursionError):  # too many digits, or too deep
        return f"a {type(value).__name__} that cannot be printed"


def accepted(keys: Collection[str], key: str) -> str:
    """What a message says of the keys that are accepted in the place of `key`: all, or of many the nearest."""
    if len(keys) <= MOST_NAMED:
        return f"there are {', '.join(keys) or 'none'}"
    close = get_close_matches(key, keys, n=3, cutoff=0.0)
    return f"of the {len(keys)} there are, nearest are {', '.join(close)}"


def some(names: Sequence[str], most: int = 3, separator: str = ", ") -> str:
    """The first of several names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return separator.join(names[:most]) + more
