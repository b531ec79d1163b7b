"""Numbers of pages that stand in published tables and claims: filled in, and checked.

A comment behind a number says where it is from; the number keeps its decimals, and a `±` and a `%` that it has:

    FID 2.03 ± 0.47<!-- digits/table_8: 4360K; FID -->, recall 84 %<!-- digits/table_8: 4360K; Recall -->

In a table the words before the last name a row, each by what one of its cells begins with, and the last names its
column. Of claims the first word is a claim's key, and the column is one of their csv; `effect 2` is the second number
in `effect`. `count; holds` counts the claims of a verdict, and `sum; risk` sums a column:

    FID 5.99<!-- digits/claims/paper: gan-fid; effect 1 -->, 37<!-- digits/claims/paper: count; holds --> claims

A verdict in the place of the column is what the sentence rests on; another one is an error: `<!-- digits/claims/paper:
gan-fid; holds -->`. Under `<!-- excerpt of digits/table_8: COLUMN | COLUMN -->` stand these columns of the table.

`python workflow/references.py` fills in the pages; with `--check` it writes nothing, and fails where one would change.
"""

import csv
import re
import sys
from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PUBLISHED = ROOT / "results" / "published"

NUMBER = r"(?:[-−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: ± \d+(?:\.\d+)?)?(?: %)?)"
VERDICTS = ("does not hold", "holds", "undecided", "not tested")
REFERENCE = re.compile(
    rf"(?P<number>{NUMBER}|{'|'.join(VERDICTS)})?(?P<comment><!-- (?P<place>[a-z]+/[\w/-]+)(?P<row>[^>]*?) -->)"
)
EXCERPT = re.compile(
    r"^<!-- excerpt of (?P<place>[a-z]+/\w+): (?P<columns>.+) -->\n\n(?P<table>(?:\|.*\n)+)", re.MULTILINE
)
PLAIN = re.compile(r"-?\d+(?:\.\d+)?(?:e[-+]?\d+)?")
CELL = re.compile(
    rf"(?P<value>{PLAIN.pattern})(?: \[(?P<low>{PLAIN.pattern}), (?P<high>{PLAIN.pattern})\]| ± (?P<half>[\d.]+))?"
)

SPENT = "spent"
"""What a scale took, in minutes."""

HERE, HALF = ", here", ", ±"
"""Endings of the columns that hold what was measured here, and of those that hold half of its interval."""


def pages() -> list[Path]:
    """Return the pages that may refer to published results."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def filled(text: str, name: str) -> str:
    """Fill in every number of a page's text as it is published.

    Args:
        text: The page's Markdown.
        name: The page, for messages.

    Raises:
        ValueError: A reference leads nowhere, or a verdict is another than a sentence rests on; names page and line.
    """
    whole = text

    def at(change: Callable[[re.Match[str]], str]) -> Callable[[re.Match[str]], str]:
        def changed(match: re.Match[str]) -> str:
            try:
                return change(match)
            except ValueError as error:
                line = whole.count("\n", 0, match.start("place")) + 1
                raise ValueError(f"{name}:{line}: {match['place']}: {error}") from error

        return changed

    text = EXCERPT.sub(at(_excerpt), text)
    whole = text
    return REFERENCE.sub(at(_reference), text)


def without_comments(text: str) -> str:
    """Drop the references of a page's text; a number tells where it is from when it is pointed at."""

    def pointed(match: re.Match[str]) -> str:
        number, place = match["number"], f"{match['place']}{match['row']}"
        return f'<span title="{escape(place)}">{number}</span>' if number else ""

    return REFERENCE.sub(pointed, text)


def _reference(match: re.Match[str]) -> str:
    number, parts = match["number"] or "", match["row"].removeprefix(": ").split("; ")
    if not match["row"].startswith(": "):
        raise ValueError("a colon and what is referred to must follow")
    scale, _, table = match["place"].partition("/")
    if parts[-1] in VERDICTS and parts[0] != "count":
        row = _claim(match["place"], parts[0])
        if row["verdict"] != parts[-1]:
            raise ValueError(f"the sentence rests on {row['key']} being {parts[-1]!r}, but it is {row['verdict']!r}")
        return match[0]
    if not number:
        raise ValueError("no number stands before the reference")
    if table.startswith("claims/"):
        value, half = _of_claims(match["place"], parts), ""
    else:
        value, half = _of_table(scale, table, parts)
    return f"{_printed(number, value, half)}{match['comment']}"


def _claim(place: str, key: str) -> dict[str, str]:
    rows = {row["key"]: row for row in _rows(place)}
    if key not in rows:
        raise ValueError(f"there is no claim {key!r}")
    return rows[key]


def _of_claims(place: str, parts: list[str]) -> str:
    key, column = parts if len(parts) == 2 else ("", "")
    if key == "count":
        return str(sum(row["verdict"] == column for row in _rows(place)))
    if key == "sum":
        return str(sum(float(row[column] or 0) for row in _rows(place)))
    row = _claim(place, key)
    name, _, position = column.partition(" ")
    if not row.get(name):
        raise ValueError(f"{key} has no {name!r}")
    if not position:
        return row[name]
    numbers = PLAIN.findall(row[name])
    if not position.isdigit() or not 0 < int(position) <= len(numbers):
        raise ValueError(f"{key} has {len(numbers)} numbers in its {name}, not {position!r}")
    return numbers[int(position) - 1]


def _of_table(scale: str, table: str, parts: list[str]) -> tuple[str, str]:
    """Find a cell, and half of its interval if the table has it."""
    *words, column = parts
    rows = _rows(f"{scale}/tables/{table}" if table != SPENT else f"{scale}/{SPENT}")
    first = [row for row in rows if words == [next(iter(row.values()))]]
    fitting = first or [row for row in rows if all(any(_begins(cell, word) for cell in row.values()) for word in words)]
    if len(fitting) != 1 or not words:
        raise ValueError(f"{len(fitting)} rows are of {'; '.join(words)!r}; a reference needs one")
    (row,) = fitting
    name = f"{column}{HERE}" if f"{column}{HERE}" in row else column
    if not row.get(name):
        raise ValueError(f"the row of {'; '.join(words)!r} has no {column!r}; its columns are {', '.join(row)}")
    cell = CELL.fullmatch(row[name])
    if cell is None:
        raise ValueError(f"{row[name]!r} is no number")
    ends = cell["low"] and str((float(cell["high"]) - float(cell["low"])) / 2)
    return cell["value"], row.get(f"{name}{HALF}") or cell["half"] or ends or ""


def _begins(cell: str, word: str) -> bool:
    return cell == word or cell.startswith(f"{word},")


def _printed(before: str, value: str, half: str) -> str:
    """Print a value with the decimals, the interval and the unit that stand on the page."""
    if before in VERDICTS or value in VERDICTS:
        return value
    first, _, second = before.removesuffix(" %").partition(" ± ")
    unit = " %" if before.endswith(" %") else ""
    if second and not half:
        raise ValueError("the cell has no ±")
    numbers = [(first, value), (second, half)] if second else [(first, value)]
    return " ± ".join(_rounded(like, text, 100 if unit else 1) for like, text in numbers) + unit


def _rounded(like: str, text: str, times: int) -> str:
    return f"{float(text) * times:,.{len(like.partition('.')[2])}f}"


def _excerpt(match: re.Match[str]) -> str:
    scale, _, table = match["place"].partition("/")
    cells = _cells(f"{scale}/tables/{table}.md")
    headings = [heading.strip() for heading in cells[0]]
    wanted = match["columns"].split(" | ")
    if missing := [name for name in wanted if name not in headings]:
        raise ValueError(f"has no column {missing[0]!r}; columns are {' | '.join(headings)}")
    places = [headings.index(name) for name in wanted]
    made = "".join(f"|{'|'.join(row[place] for place in places)}|\n" for row in cells)
    return match[0].removesuffix(match["table"]) + made


def _rows(name: str) -> list[dict[str, str]]:
    """Read the rows of a published csv; of what a scale took, which is Markdown alone, those of its table."""
    if not name.endswith(f"/{SPENT}"):
        return list(csv.DictReader(_text(f"{name}.csv").splitlines()))
    heading, _, *rows = ([cell.strip() for cell in row] for row in _cells(f"{name}.md"))
    return [dict(zip(heading, row, strict=True)) for row in rows]


def _cells(name: str) -> list[list[str]]:
    """Read the cells of a Markdown table, a line a row, as they are padded."""
    return [line.strip("|").split("|") for line in _text(name).splitlines() if line.startswith("|")]


@cache
def _text(name: str) -> str:
    path = PUBLISHED / name
    if not path.is_file():
        raise ValueError(f"there is no {name} in results/published")
    return path.read_text(encoding="utf-8")


def main(check: bool) -> int:
    """Fill in the pages, or check that they are filled in; return the exit code."""
    code = 0
    for path in pages():
        name, before = str(path.relative_to(ROOT)), path.read_text(encoding="utf-8")
        try:
            after = filled(before, name)
        except ValueError as error:
            print(f"error: {error}", file=sys.stderr)
            code = 2
            continue
        if check and after != before:
            pairs = zip(before.splitlines(), after.splitlines(), strict=False)
            line = next(number for number, (old, new) in enumerate(pairs, 1) if old != new)
            print(
                f"error: {name}:{line}: holds numbers that are not as published; type: make generate", file=sys.stderr
            )
            code = 2
        elif after != before:
            path.write_text(after, encoding="utf-8")
    return code


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
