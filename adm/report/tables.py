"""Tables as csv, Markdown and LaTeX."""

from pathlib import Path

import pandas as pd

from adm.artifacts.writing import new_file

HEADINGS = {
    "fid": "FID",
    "sfid": "sFID",
    "inception_score": "IS",
    "precision": "Precision",
    "recall": "Recall",
}
DECIMALS = 2
"""As the paper prints."""


def iterations(count: int) -> str:
    """An iteration count as the paper writes it: thousands as K, fewer in full."""
    return f"{count // 1000}K" if count >= 10_000 and count % 1000 == 0 else str(count)


def write_table(stem: Path, table: pd.DataFrame, name: str, caption: str) -> None:
    """Write a table as `<stem>.csv` with six significant digits, and as `.md` and `.tex` as it is printed.

    Args:
        stem: The path without its ending.
        table: Columns named as they are printed; floats are rounded to DECIMALS.
        name: What the paper calls it; LaTeX counts tables by itself, so it stands in the Markdown alone.
        caption: The caption.
    """
    printed = table.map(lambda value: f"{value:.{DECIMALS}f}" if isinstance(value, float) else str(value))
    alignment = ["left", *["right"] * (len(table.columns) - 1)]
    markdown = printed.to_markdown(index=False, disable_numparse=True, colalign=alignment)
    columns = "l" + "r" * (len(table.columns) - 1)
    latex = printed.style.hide(axis="index").to_latex(hrules=True, column_format=columns, caption=caption)
    for ending, text in [
        (".csv", table.to_csv(index=False, float_format="%.6g", lineterminator="\n")),
        (".md", f"{name}: {caption}\n\n{markdown}\n"),
        (".tex", latex),
    ]:
        with new_file(stem.with_suffix(ending)) as path:
            path.write_text(text, encoding="utf-8")
