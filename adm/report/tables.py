"""Tables as csv, Markdown, LaTeX and HTML."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adm.artifacts.writing import new_files
from adm.report.html_tables import html_document, html_table
from adm.report.seeds import OverSeeds

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

LONGEST_WORD = 10
"""A column with texts of more characters holds words, not numbers."""


def title(key: str) -> str:
    """The printed name of a table or figure: "Table 8" for "table_8"."""
    words = key.replace("_", " ")
    return words.title() if key == "appendix_k" else words.capitalize()


def iterations(count: int) -> str:
    """An iteration count as the paper writes it: whole thousands from 10,000 on with K, others in full."""
    return f"{count // 1000}K" if count >= 10_000 and count % 1000 == 0 else str(count)


def plain(number: float) -> str:
    """A number without unnecessary digits, as the paper writes batch sizes and days; "" for NaN."""
    return "" if pd.isna(number) else f"{number:g}"


SEEDS = "Here, a metric over seeds of training is: mean ± half the width of its 95 % t-interval (standard deviation)."
"""What a caption adds if a table has metrics over seeds."""


def significant(value: float, digits: int) -> str:
    """A number with `digits` significant digits and no exponent."""
    return np.format_float_positional(value, precision=digits, unique=False, fractional=False, trim="-")


def write_table(
    stem: Path, table: pd.DataFrame, name: str, caption: str, intervals: pd.DataFrame | None = None
) -> None:
    """Write a table as `<stem>.csv` with six significant digits, and as `.md` and `.tex` with printed values.

    In print, floats are rounded to DECIMALS. A metric over seeds is one cell in print; in csv its column holds means,
    and columns of their own hold half-widths, spreads and numbers of seeds.

    Args:
        stem: The path without its ending.
        table: The table, with printed headings; cells are texts, floats or `OverSeeds`.
        name: The table's name, such as "Table 8". Only Markdown shows it, because LaTeX numbers tables itself.
        caption: The caption.
        intervals: Of its cells, for `.html`, which is written too; see `html_table`. None writes no `.html`.
    """
    if table.map(_is_over_seeds).to_numpy().any():
        caption = f"{caption} {SEEDS}"
    printed = table.map(_print)
    words = [_is_text(table[column]) for column in table]
    alignment = ["left" if is_words else "right" for is_words in words]
    cells = printed.map(_in_markdown).rename(columns=_in_markdown)
    markdown = cells.to_markdown(index=False, disable_numparse=True, colalign=alignment)
    style = printed.style.hide(axis="index").format(_in_latex).format_index(_in_latex, axis="columns")
    columns = "".join(side[0] for side in alignment)
    latex = style.to_latex(hrules=True, column_format=columns, caption=_in_latex(caption))
    texts = {
        ".csv": _apart(table).to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".md": f"{name}: {caption}\n\n{markdown}\n",
        ".tex": latex,
    }
    if intervals is not None:
        values = table.select_dtypes("float").map(_sorted_by)
        texts[".html"] = html_document(name, html_table(printed, caption, words, values, intervals))
    with new_files(*map(stem.with_suffix, texts)) as paths:
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")


def _apart(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose metrics over seeds have a column for each of their numbers; other tables as they are."""
    columns: dict[str, Any] = {}
    for name, column in table.items():
        if not column.map(_is_over_seeds).any():
            columns[str(name)] = column
            continue
        columns[str(name)] = [cell.mean if _is_over_seeds(cell) else cell for cell in column]
        for ending, field in (("±", "half_width"), ("spread", "spread"), ("seeds", "seeds")):
            columns[f"{name}, {ending}"] = [getattr(cell, field, None) for cell in column]
    return pd.DataFrame(columns)


def _is_over_seeds(cell: Any) -> bool:
    return isinstance(cell, OverSeeds)


def _print(value: Any) -> str:
    if isinstance(value, OverSeeds):
        numbers = (value.mean, value.half_width, value.spread)
        mean, half, spread = (_print(x) if value.digits is None else significant(x, value.digits) for x in numbers)
        return f"{mean} ± {half} ({spread})"
    if pd.isna(value):
        return ""
    return f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value)


def _sorted_by(value: float) -> str:
    return "" if pd.isna(value) else f"{value:.6g}"


def _in_markdown(text: str) -> str:
    return text.translate(MARKDOWN)


def _in_latex(text: object) -> str:
    return str(text).translate(LATEX)


def _is_text(column: pd.Series) -> bool:
    """Whether a column holds words, and so is aligned to the left."""
    return any(isinstance(value, str) and value[:1].isalpha() and len(value) > LONGEST_WORD for value in column)
