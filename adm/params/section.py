"""The base of all sections of the params file, and keys of its entries."""

import re
from typing import Annotated, Any

from pydantic import StringConstraints

from adm.config.base import Config

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")]
"""A key of an artifact; it becomes a file name, so it has no slash and no space."""

AT = "@"
"""Stands between a key of the params file, which never holds it, and that of a judge."""


class Section(Config):
    """A section of the params file."""


def count_key(count: int) -> str:
    """Write a count in a key: whole thousands from 10,000 on with k, such as `540k`; other counts in full."""
    return f"{count // 1000}k" if count >= 10_000 and count % 1000 == 0 else str(count)


def value_key(value: Any) -> str:
    """Write a value in a key, with only the characters a-z, 0-9, "_" and "-"; "" if nothing is left.

    It depends only on the value, so a new value in a sweep does not change the keys of the others. 0.5 is `0_5`, 2.0
    is `2`, 250000 is `250k`, "9,6,6,2,2" is `9-6-6-2-2`, null is `none`.
    """
    if isinstance(value, list):
        return "-".join(map(value_key, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return count_key(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^a-z0-9_]+", "-", text.lower().replace(".", "_")).strip("-")


def judged(key: str, judge: str) -> str:
    """Give the key of what a judge, a second extractor, makes of a run or a reference: `scale-2@dinov2`."""
    return f"{key}{AT}{judge}"


def parts(key: str) -> tuple[str, str]:
    """Split a key into that of the run or the reference and that of the judge; "" for what no judge makes."""
    first, _, judge = key.partition(AT)
    return first, judge
