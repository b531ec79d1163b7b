"""A table as HTML, in a document of its own; the page of a scale takes the table over from there."""

import re
from html import escape
from itertools import groupby
from pathlib import Path

import pandas as pd

from adm.errors import UserError, brief

PAIRED = re.compile(r"(?P<name>.+), (?P<side>paper|here)")
"""The heading of a column that stands beside the paper's, or beside ours."""

LONGEST_NUMBER = 24
"""A column with texts of more characters holds words, whatever it begins with."""

DOCUMENT = """\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ font: 15px/1.45 system-ui, sans-serif; margin: 1rem; }}
table {{ border-collapse: collapse; }}
caption {{ text-align: left; padding-bottom: .6rem; }}
th, td {{ text-align: left; vertical-align: top; padding: .25rem .6rem; border-bottom: 1px solid #ccc; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.interval {{ display: none; font-size: .8em; color: #555; }}
td:hover .interval {{ display: block; }}
</style>
</head>
<body>
<h1>{title}</h1>
{table}
</body>
</html>
"""


def html_document(title: str, table: str) -> str:
    """A whole document with one table of `html_table`."""
    return DOCUMENT.format(title=escape(title), table=table)


def html_table(
    printed: pd.DataFrame, caption: str, words: list[bool], values: pd.DataFrame, intervals: pd.DataFrame
) -> str:
    """A table as a `<table>` element; the columns "FID, paper" and "FID, here" share a heading.

    Args:
        printed: The text of every cell; its first column names the rows.
        caption: The caption.
        words: For each column whether it holds words, which are aligned to the left.
        values: By column name, what a column is sorted by, as text; columns that are missing are sorted by their text.
        intervals: By column name, intervals of the cells as text; "" for a cell that has none.
    """
    names = list(map(str, printed.columns))
    longest = [max((len(str(text)) for text in printed[name]), default=0) for name in printed]
    words = [one or length > LONGEST_NUMBER for one, length in zip(words, longest, strict=True)]
    rows = []
    for number in range(len(printed)):
        cells = []
        for place, name in enumerate(names):
            text = escape(str(printed.iloc[number, place]))
            if name in intervals and (interval := str(intervals[name].iloc[number])):
                text += f'<span class="interval">{escape(interval)}</span>'
            tag = '<th scope="row"' if place == 0 else "<td"
            kind = "" if words[place] else ' class="number"'
            value = f' data-value="{escape(str(values[name].iloc[number]))}"' if name in values else ""
            cells.append(f"{tag}{kind}{value}>{text}</{'th' if place == 0 else 'td'}>")
        rows.append(f"<tr>{''.join(cells)}</tr>")
    head = "\n".join(f"<tr>{''.join(cells)}</tr>" for cells in _headings(names, words))
    body = "\n".join(rows)
    return (
        f"<table>\n<caption>{escape(caption)}</caption>\n<thead>\n{head}\n</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
    )


def table_in(path: Path) -> str:
    """The `<table>` element of a document that was written here.

    Raises:
        UserError: The file cannot be read, or holds no such table.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise UserError(f"{path}: cannot be read ({brief(error)})") from error
    start, end = text.find("<table>"), text.rfind("</table>")
    if not text.startswith(DOCUMENT.partition("\n")[0]) or not 0 <= start < end:
        raise UserError(f"{path}: holds no table as this version writes it; make it again: adm table {path.stem}")
    return text[start:end] + "</table>"


def _headings(names: list[str], words: list[bool]) -> list[list[str]]:
    """The cells of the rows of headings: one row, or two if some columns stand in pairs."""
    found = [PAIRED.fullmatch(name) for name in names]
    kinds = ["" if is_words else ' class="number"' for is_words in words]
    if not any(found):
        return [[f'<th scope="col"{kind}>{escape(name)}</th>' for kind, name in zip(kinds, names, strict=True)]]
    upper, lower = [], []
    columns = list(zip(names, found, kinds, strict=True))
    for pair, group in groupby(enumerate(columns), key=lambda one: one[1][1]["name"] if one[1][1] else one[0]):
        inside = [column for _, column in group]
        if isinstance(pair, int):
            ((name, _, kind),) = inside
            upper.append(f'<th scope="col" rowspan="2"{kind}>{escape(name)}</th>')
            continue
        upper.append(f'<th scope="colgroup" colspan="{len(inside)}">{escape(pair)}</th>')
        lower += [f'<th scope="col"{kind}>{match["side"]}</th>' for _, match, kind in inside if match]
    return [upper, lower]
