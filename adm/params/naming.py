"""How numbers become parts of keys."""

import re
from typing import Any


def count_key(count: int) -> str:
    """A count in a key: thousands from ten thousand on as k, as `540k`; fewer, and others, in full."""
    return f"{count // 1000}k" if count >= 10_000 and count % 1000 == 0 else str(count)


def value_key(value: Any) -> str:
    """A value in a key, of the characters a-z, 0-9, "_" and "-" alone; "" if nothing of it is left.

    It depends on the value alone, so that a sweep to which one is added keeps the keys of the others: 0.5 is `0_5`,
    2.0 is `2`, 250000 is `250k`, "9,6,6,2,2" is `9-6-6-2-2`, null is `none`.
    """
    if isinstance(value, list):
        return "-".join(map(value_key, value))
    if value is None or isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int):
        return count_key(value)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return re.sub(r"[^a-z0-9_]+", "-", text.lower().replace(".", "_")).strip("-")
