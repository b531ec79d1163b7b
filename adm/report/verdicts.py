"""Findings about claims, and the verdicts as csv, Markdown, LaTeX, HTML and JSON."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from adm.artifacts.seal import write_sealed_json
from adm.artifacts.writing import new_files
from adm.errors import UserError, brief
from adm.report.html_tables import html_document, html_table

WHOSE = {"later": "later work", "own": "this params file"}
"""Whose claims a group holds, if not the paper's appendix."""

CAPTION = (
    "The claims of {whose} against what this scale measured. Verdicts are of these trained networks, one training "
    "each: an interval covers the draw of the samples, images or repetitions, and another training may differ by more."
)
CAPTION_OVER_SEEDS = (
    "The claims of {whose} against what this scale measured. Where a number of seeds stands, models were "
    "trained from so many seeds and sampled apart: the interval is a t-interval that covers both the seeds of training "
    "and the draw of the samples. Any other interval covers the draw of the samples, images or repetitions alone."
)
COLUMNS = {"Claim": 4.2, "Source": 2.0, "Measured": 4.4, "95 % interval": 3.2, "Verdict": 2.0}
"""Headings, and the width of their columns in LaTeX in centimetres."""


WORST_FIRST = ("does not hold", "undecided", "not tested", "holds")
"""Every verdict, in the order in which a reader looks for them."""


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
    clearance: float | None = None
    """Of `adm.report.decisions`; files do not hold it."""

    @property
    def is_decided(self) -> bool:
        """Whether the interval lies on one side of the threshold."""
        return self.verdict in ("holds", "does not hold")


@dataclass(frozen=True, kw_only=True)
class Verdict(Finding):
    """A claim with its finding."""

    key: str
    statement: str
    source: str
    seeds: int | None = None
    """The number of seeds of training that its interval covers, the least of those compared; None if it covers none."""
    needs: str = ""
    """The data that would decide an undecided claim."""
    risk: float | None = None
    """The probability that a decided claim is decided wrongly."""


def expected_errors(verdicts: Iterable[Verdict]) -> float:
    """The number of verdicts that are expected to be wrong by chance: the sum of their risks."""
    return sum(verdict.risk or 0.0 for verdict in verdicts)


def write_verdicts(stem: Path, verdicts: Sequence[Verdict], made_by: Mapping[str, Any]) -> None:
    """Write verdicts as `<stem>.csv`, `.md`, `.tex` and `.html`, rounded, and as `.json` in full and with `made_by`.

    Args:
        stem: The path without its ending; its name is the group of the claims.
        verdicts: The verdicts, in the order of the params file.
        made_by: Provenance of the verdicts.
    """
    rows = [asdict(verdict) for verdict in verdicts]
    caption = _caption(verdicts, stem.name)
    hidden = ["clearance"] + ["seeds"] * (not any(verdict.seeds for verdict in verdicts))
    rows = [{name: value for name, value in row.items() if name not in hidden} for row in rows]
    first = ["key", "statement", "source", "verdict"]
    table = pd.DataFrame(rows, columns=first + [name for name in rows[0] if name not in first])
    printed = pd.DataFrame([_printed(verdict) for verdict in verdicts], columns=list(COLUMNS))
    markdown = printed.map(lambda text: text.replace("|", "\\|")).to_markdown(index=False, disable_numparse=True)
    style = printed.style.hide(axis="index").format(escape="latex").format_index(escape="latex", axis="columns")
    widths = "".join(f"p{{{width}cm}}" for width in COLUMNS.values())
    latex = style.to_latex(hrules=True, environment="longtable", column_format=widths, caption=caption)
    texts = {
        ".csv": table.to_csv(index=False, float_format="%.6g", lineterminator="\n"),
        ".md": f"{caption}\n\n{markdown}\n",
        ".tex": latex,
        ".html": html_document("Claims", verdict_table(verdicts, stem.name)),
    }
    with new_files(*map(stem.with_suffix, [*texts, ".json"])) as (*paths, in_full):
        for path, text in zip(paths, texts.values(), strict=True):
            path.write_text(text, encoding="utf-8")
        write_sealed_json(in_full, {"claims": {row.pop("key"): row for row in rows}, "made_by": made_by})


def _caption(verdicts: Sequence[Verdict], group: str) -> str:
    caption = CAPTION_OVER_SEEDS if any(verdict.seeds for verdict in verdicts) else CAPTION
    return caption.format(whose=WHOSE.get(group, "the paper's appendix"))


def verdict_table(verdicts: Sequence[Verdict], group: str) -> str:
    """The verdicts of a group of claims as a `<table>` element, those first that do not hold."""
    ranked = sorted(verdicts, key=lambda verdict: WORST_FIRST.index(verdict.verdict))
    printed = pd.DataFrame([_printed(verdict) for verdict in ranked], columns=list(COLUMNS))
    values = pd.DataFrame({"Verdict": [str(WORST_FIRST.index(verdict.verdict)) for verdict in ranked]})
    return html_table(printed, _caption(verdicts, group), [True] * len(COLUMNS), values, pd.DataFrame())


def read_verdicts(path: Path) -> list[Verdict]:
    """Read verdicts back from `<stem>.csv`.

    Raises:
        UserError: The file cannot be read, or is not as this version writes it.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            verdicts = [
                Verdict(**{name: _read(name, text) for name, text in row.items()}) for row in csv.DictReader(file)
            ]
    except (OSError, csv.Error, ValueError, TypeError) as error:
        raise UserError(f"{path}: holds no verdicts as this version writes them ({brief(error)})") from error
    if unknown := next((verdict for verdict in verdicts if verdict.verdict not in WORST_FIRST), None):
        raise UserError(f"{path}: {unknown.key}: {unknown.verdict!r} is no verdict; there are {', '.join(WORST_FIRST)}")
    return verdicts


def _read(name: str, text: Any) -> Any:
    if name == "seeds":
        return int(text) if text else None
    return (float(text) if text else None) if name in ("estimate", "low", "high", "risk") else text


def _printed(verdict: Verdict) -> tuple[str, ...]:
    if verdict.low is None or verdict.high is None:
        return verdict.statement, verdict.source, verdict.effect, "", f"{verdict.verdict}: {verdict.note}"
    measured = "; ".join(filter(None, (verdict.effect, verdict.note)))
    seeds = f"; {verdict.seeds} seeds" if verdict.seeds else ""
    ends = f"{verdict.low:.3g} to {verdict.high:.3g} ({verdict.measure}{seeds})"
    told = f"{verdict.verdict}: needs {verdict.needs}" if verdict.needs else verdict.verdict
    return verdict.statement, verdict.source, measured, ends, told
