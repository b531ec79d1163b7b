"""Keys of what a judge makes: a judge is an extractor that scores runs beside that of their reference."""

AT = "@"
"""Stands between a key of the params file, which never holds it, and that of a judge."""


def judged(key: str, judge: str) -> str:
    """The key of what a judge makes of a run or a reference: `scale-2@dinov2`."""
    return f"{key}{AT}{judge}"


def parts(key: str) -> tuple[str, str]:
    """The key of a run or a reference, and that of the judge; "" for what no judge makes."""
    first, _, judge = key.partition(AT)
    return first, judge
