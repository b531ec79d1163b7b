"""Numbers and other values as parts of keys."""

import re
from typing import Any


def count_key(count: int) -> str:
    """A count in a key: whole thousands from 10,000 on with k, such as `540k`; other counts in full."""
    return f"{count // 1000}k" if count >= 10_000 and count % 1000 == 0 else str(count)


def value_key(value: Any) -> str:
    """A value in a key, with only the characters a-z, 0-9, "_" and "-"; "" if nothing is left.

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
