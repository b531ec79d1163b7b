"""Tables as csv, Markdown, LaTeX and HTML."""

import math
import re
from collections.abc import Mapping, Sequence
from html import escape
from itertools import groupby
from operator import methodcaller
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from adm.artifacts.manifest import MadeBy
from adm.artifacts.reading import readable
from adm.errors import UserError
from adm.report.metrics import OverSeeds
from adm.report.page.content import FOLDER
from adm.report.shown import write_shown

DECIMALS = 2
"""Decimals of a number in print, as in the paper."""

LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "\\": r"\textbackslash{}",
        "×": r"$\times$",
        "→": r"$\rightarrow$",
        "±": r"$\pm$",
    }
)
"""LaTeX's way of writing characters that have a special meaning, or none, in it."""

MARKDOWN = str.maketrans({"|": r"\|", "\n": " "})
"""A Markdown table's way of writing characters that would end a cell."""

PAIRED = re.compile(r"(?P<name>.+), (?P<side>paper|here)")
"""The heading of a column that stands beside the paper's, or beside ours."""

INTERVALS = "intervals"
"""The attribute of a table that holds intervals of its cells as text, by column."""


def title(key: str) -> str:
    """Print the name of a table or figure: "Table 8" for "table_8"."""
    words = key.replace("_", " ")
    return words.title() if key == "appendix_k" else words.capitalize()


def plain(number: float) -> str:
    """Print a number without unnecessary digits, as the paper does batch sizes and days; "" for NaN."""
    return "" if pd.isna(number) else f"{number:g}"


def significant(value: float, digits: int) -> str:
    """Print a number with `digits` significant digits and no exponent; "" for one that is not finite."""
    if not math.isfinite(value):
        return ""
    return np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")


def write_table(stem: Path, table: pd.DataFrame, name: str, caption: str, made_by: MadeBy) -> None:
    """Write a table as `<stem>.csv` with six significant digits, and as `.md`, `.tex` and `.html` with printed values.

    In print, floats are rounded to DECIMALS. A metric over seeds is one cell in print; in csv its column holds means,
    and columns of their own hold half-widths, spreads and numbers of seeds.

    Args:
        stem: The path without its ending.
        table: With printed headings; cells are texts, floats or `OverSeeds`. attrs[INTERVALS] may hold some by column.
        name: The table's name, such as "Table 8". LaTeX does not show it, because LaTeX numbers tables itself.
        caption: The caption.
        made_by: What its record tells.
    """
    cells = [*table.to_numpy().flat]
    has_errors = any(isinstance(cell, str) and "±" in cell for cell in cells)
    if any(isinstance(cell, OverSeeds) for cell in cells):
        cell = "mean ± half the width of its 95 % t-interval (standard deviation)"
        error = "; of one training, ± is a standard error" if has_errors else ""
        caption = f"{caption} Here, a metric over seeds of training is: {cell}{error}."
    elif has_errors and "standard error" not in caption:
        caption = f"{caption} ± is a standard error."
    printed = table.map(_print)
    # A column holds words if one of its texts is long, and is aligned to the left then.
    words = [any(isinstance(x, str) and x[:1].isalpha() and len(x) > 10 for x in table[column]) for column in table]
    alignment = ["left" if is_words else "right" for is_words in words]
    values = {
        str(name): ["" if pd.isna(value) else f"{value:.6g}" for value in column]
        for name, column in table.select_dtypes("float").items()
    }
    html = html_table(printed, caption, words, values, table.attrs.get(INTERVALS, {}))
    texts = {
        ".csv": csv_of(_apart(table)),
        ".md": f"{name}: {caption}\n\n{markdown(printed, alignment)}\n",
        ".tex": latex(printed, caption, "".join(side[0] for side in alignment)),
        ".html": rendered("table_alone.html.j2", title=name, table=html) + "\n",
    }
    write_shown(stem, texts, made_by)


def csv_of(table: pd.DataFrame) -> str:
    """Print a table as csv, numbers with six significant digits."""
    return table.to_csv(index=False, float_format="%.6g", lineterminator="\n")


def markdown(printed: pd.DataFrame, alignment: Sequence[str]) -> str:
    """Print a table of texts as Markdown, whose columns are aligned "left" or "right"."""
    in_markdown = methodcaller("translate", MARKDOWN)
    cells = printed.map(in_markdown).rename(columns=in_markdown)
    return cells.to_markdown(index=False, disable_numparse=True, colalign=alignment)


def latex(printed: pd.DataFrame, caption: str, columns: str, environment: str | None = None) -> str:
    """Print a table of texts as LaTeX, with a format of columns as "lrr", in an environment other than `table`."""
    in_latex = methodcaller("translate", LATEX)
    style = printed.style.hide(axis="index").format(in_latex).format_index(in_latex, axis="columns")
    return style.to_latex(hrules=True, column_format=columns, caption=in_latex(caption), environment=environment)


def rendered(template: str, **values: Any) -> Markup:
    """Write a template of the package; the filter `escaped` is that of documents of one table."""
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    environment.filters["escaped"] = lambda text: Markup(escape(text))  # noqa: S704
    return Markup(environment.get_template(template).render(values))  # noqa: S704


def html_table(
    printed: pd.DataFrame,
    caption: str,
    words: Sequence[bool],
    values: Mapping[str, Sequence[str]] | None = None,
    intervals: Mapping[str, Sequence[str]] | None = None,
) -> Markup:
    """Print a table as a `<table>` element; the columns "FID, paper" and "FID, here" share a heading.

    Args:
        printed: The text of every cell; its first column names the rows.
        caption: The caption.
        words: For each column whether it holds words, which are aligned to the left.
        values: By column name, what a column is sorted by, as text; columns that are missing are sorted by their text.
        intervals: By column name, intervals of the cells as text; "" for a cell that has none.
    """
    columns = list[dict[str, Any]]()
    for place, name in enumerate(map(str, printed.columns)):
        texts = list(map(str, printed.iloc[:, place]))
        # What is longer holds words, whatever it begins with.
        is_number = not words[place] and max(map(len, texts), default=0) <= 24
        column = {"name": name, "place": place, "pair": PAIRED.fullmatch(name), "texts": texts, "is_number": is_number}
        columns.append(column | {"values": (values or {}).get(name), "intervals": (intervals or {}).get(name)})
    headings = [
        [*inside] for _, inside in groupby(columns, lambda one: one["pair"]["name"] if one["pair"] else one["place"])
    ]
    return rendered("table.html.j2", caption=caption, headings=headings, columns=columns, rows=len(printed))


def table_in(path: Path) -> Markup:
    """Read the `<table>` element of a document that was written here.

    Raises:
        UserError: The file cannot be read, or holds no such table.
    """
    with readable(path, "cannot be read"):
        text = path.read_text(encoding="utf-8")
    start, end = text.find("<table>"), text.rfind("</table>")
    if not text.startswith("<!doctype html>") or not 0 <= start < end:
        raise UserError(f"{path}: holds no table as this version writes it; make it again: adm table {path.stem}")
    return Markup(f"{text[start:end]}</table>")  # noqa: S704


def _apart(table: pd.DataFrame) -> pd.DataFrame:
    """Give each number of a metric over seeds a column of its own; leave other tables as they are."""
    columns: dict[str, Any] = {}
    for name, column in table.items():
        columns[str(name)] = [cell.mean if isinstance(cell, OverSeeds) else cell for cell in column]
        if any(isinstance(cell, OverSeeds) for cell in column):
            for ending, field in (("±", "half_width"), ("spread", "spread"), ("seeds", "seeds")):
                columns[f"{name}, {ending}"] = [getattr(cell, field, None) for cell in column]
    return pd.DataFrame(columns)


def _print(value: Any) -> str:
    if isinstance(value, OverSeeds):
        numbers = (value.mean, value.half_width, value.spread)
        mean, half, spread = (_print(x) if value.digits is None else significant(x, value.digits) for x in numbers)
        return f"{mean} ± {half} ({spread})"
    if pd.isna(value):
        return ""
    return f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value)
