"""Findings about claims, and the verdicts as csv, Markdown, LaTeX and JSON."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_files

CAPTION = (
    "The claims of {whose} against what this scale measured. An interval covers the draw of the samples, "
    "images or repetitions, not that of a training run: trained from another seed, a model may differ by more."
)
COLUMNS = {"Claim": 4.2, "Source": 2.0, "Measured": 4.4, "95 % interval": 3.2, "Verdict": 2.0}
"""Headings, and the width of their columns in LaTeX in centimetres."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The measured effect, the 95 % interval of `measure`, and the verdict from the interval."""

    verdict: Literal["holds", "does not hold", "undecided", "not tested"]
    effect: str = ""
    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    measure: str = ""
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Verdict(Finding):
    """A claim with its finding."""

    key: str
    statement: str
    source: str


def write_verdicts(stem: Path, verdicts: Sequence[Verdict], made_by: Mapping[str, Any]) -> None:
    """Write verdicts as `<stem>.csv`, `.md` and `.tex`, rounded, and as `.json` in full and with `made_by`.

    Args:
        stem: The path without its ending; its name is the group of the claims.
        verdicts: The verdicts, in the order of the params file.
        made_by: Provenance of the verdicts.
    """
    rows = [asdict(verdict) for verdict in verdicts]
    first = ["key", "statement", "source", "verdict"]
    table = pd.DataFrame(rows, columns=first + [name for name in Verdict.__dataclass_fields__ if name not in first])
    printed = pd.DataFrame([_printed(verdict) for verdict in verdicts], columns=list(COLUMNS))
    markdown = printed.map(lambda text: text.replace("|", "\\|")).to_markdown(index=False, disable_numparse=True)
    style = printed.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    widths = "".join(f"p{{{width}cm}}" for width in COLUMNS.values())
    caption = CAPTION.format(whose="later papers" if stem.name == "later" else "the paper's appendix")
    latex = style.to_latex(hrules=True, environment="longtable", column_format=widths, caption=caption)
    texts = {
        ".csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".md": f"{caption}\n\n{markdown}\n",
        ".tex": latex,
    }
    with new_files(*map(stem.with_suffix, [*texts, ".json"])) as (*paths, in_full):
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        write_sealed_json(in_full, {"claims": {row.pop("key"): row for row in rows}, "made_by": made_by})


def _printed(verdict: Verdict) -> tuple[str, ...]:
    if verdict.low is None or verdict.high is None:
        return verdict.statement, verdict.source, verdict.effect, "", f"{verdict.verdict}: {verdict.note}"
    measured = "; ".join(filter(None, (verdict.effect, verdict.note)))
    ends = f"{verdict.low:.3g} to {verdict.high:.3g} ({verdict.measure})"
    return verdict.statement, verdict.source, measured, ends, verdict.verdict
