"""The page of a scale, from its template."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from xml.etree import ElementTree

import pandas as pd
from markupsafe import Markup

from adm.config.metrics import METRICS
from adm.errors import UserError
from adm.metrics.intervals import TAIL
from adm.params.figures import GridParams
from adm.params.tables import OwnTableParams
from adm.report.metrics import read_log, read_metrics
from adm.report.page.content import Content, Exhibit
from adm.report.page.pictures import Picture, picture, training_curves
from adm.report.tables import html_table, rendered, table_in, title
from adm.report.verdicts import WORST_FIRST, Verdict, read_verdicts, verdict_table

FIRST = ("fid", "precision", "recall")
"""Metrics that are seen first."""


@dataclass
class Shown:
    """An exhibit as the template reads it; it has a table, a picture, or nothing if none of its files is there."""

    exhibit: Exhibit
    title: str
    caption: str = ""
    table: Markup = field(default_factory=Markup)
    picture: Picture | None = None
    verdicts: Sequence[Verdict] = ()

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.table or self.picture)


def document(content: Content) -> str:
    """Write the page as HTML; what does not exist is named in it.

    Raises:
        UserError: Nothing of it exists, or a file is not as this version writes it.
    """
    if not any(exhibit.existing for exhibit in content.exhibits):
        first = next(path for exhibit in content.exhibits for path in exhibit.files.values())
        raise UserError(f"{first}: does not exist, nor does anything else of a report; make it: {content.everything}")
    shown = [_shown(exhibit) for exhibit in content.exhibits]
    claims, tables, pictures = (
        [one for one in shown if one.exhibit.kind == kind] for kind in ("claims", "table", "figure")
    )
    glance, numbers = _first(content, {one.exhibit.key: one for one in pictures if one.is_there})
    trained, trainings = _trainings(content)
    verdicts = [(one.exhibit, verdict) for one in claims for verdict in one.verdicts]
    return rendered(
        "page.html.j2",
        content=content,
        first=glance,
        numbers=numbers,
        sheet=picture({"png": content.sheet}) if content.sheet.is_file() else None,
        stop=_when_to_stop(content, tables),
        claims=claims,
        tables=tables,
        figures=pictures,
        below=[one for one in pictures if one not in glance],
        counts=Counter(verdict.verdict for _, verdict in verdicts),
        wrong=sum(verdict.risk or 0.0 for _, verdict in verdicts),
        most_wrong=TAIL * sum(verdict.verdict != "not tested" for _, verdict in verdicts),
        verdicts={word: [one for one in verdicts if one[1].verdict == word] for word in WORST_FIRST},
        missing=[one for one in shown if not one.is_there],
        stale=[one for one in shown if one.is_there and one.exhibit.stale],
        trained=trained,
        trainings=trainings,
    )


def _shown(exhibit: Exhibit) -> Shown:
    files, name = exhibit.existing, title(exhibit.key)
    if exhibit.kind == "claims":
        whose = {"paper": "of the paper", "speed": "on speed", "later": "of later work", "own": "of one's own"}
        claims = Shown(exhibit, f"Claims {whose[exhibit.key]}")
        if "csv" in files:
            claims.verdicts = read_verdicts(files["csv"])
            claims.table = verdict_table(claims.verdicts, exhibit.key)
        return claims
    if exhibit.kind == "table":
        table = table_in(files["html"]) if "html" in files else Markup()
        return Shown(exhibit, name, exhibit.caption, table)
    drawn = picture(files)
    caption = drawn.caption.removeprefix(f"{name}: ") if drawn and drawn.caption else exhibit.caption
    return Shown(exhibit, name, caption, picture=drawn)


def _first(content: Content, figures: dict[str, Shown]) -> tuple[list[Shown], list[tuple[str, str, str]]]:
    """Choose what is seen first: the grid of the lowest FID, a trade-off, FID through training; and that run's scores.

    Grids of classes go before those of random samples, which may be of a part of the classes alone.

    Returns:
        The figures, and of each score its label, its value and its interval.
    """
    params = content.params
    grids = {key: one for key in figures if isinstance(one := params.figures[key], GridParams)}
    scores = {key: row for key, one in grids.items() if (row := _scores(content, one.run))}
    scores = {key: row for key, row in scores.items() if grids[key].kind == "class_grid"} or scores
    seen, numbers = [*grids], list[tuple[str, str, str]]()
    if scores:
        # FIDs against unlike references do not compare.
        references = {key: params.all_references[params.scored[grids[key].run].reference] for key in scores}
        alike = [key for key in scores if references[key] == references[next(iter(scores))]]
        seen = [min(alike, key=lambda key: scores[key]["fid"])]
        row, run = scores[seen[0]], grids[seen[0]].run
        numbers = [(f"{METRICS[name].label} of {run}", *_told(row, name)) for name in FIRST if name in row]
    along = [key for key in figures if getattr(params.figures[key], "x", "") == "iterations"]
    trade_offs, ablations = (
        [key for key in figures if params.figures[key].kind == kind] for kind in ("trade_offs", "ablations")
    )
    chosen = [figures[key] for keys in (seen, trade_offs, [*along, *ablations]) for key in keys[:1]]
    return chosen, numbers


def _when_to_stop(content: Content, tables: Sequence[Shown]) -> list[str]:
    """List what tables with the losses of held-out images say of their checkpoints, a sentence each."""
    sentences = list[str]()
    for one in tables:
        section = content.params.tables[one.exhibit.key]
        if isinstance(section, OwnTableParams) and section.losses and one.table:
            caption = ElementTree.fromstring(one.table).findtext("caption", "")  # noqa: S314
            sentences += re.split(r"(?<=\.) (?=[A-Z])", caption.removeprefix(section.caption).strip())
    return sentences


def _scores(content: Content, run: str) -> dict[str, float]:
    """Read the scores of a run that there are, with their intervals; nothing if they cannot be read, or without FID."""
    try:
        found = read_metrics(content.params, [run], FIRST, {"metrics": content.scores})
    except (KeyError, UserError):
        return {}
    row = {str(name): value for name, value in found.iloc[0].items() if isinstance(value, float) and not pd.isna(value)}
    return row if "fid" in row else {}


def _told(row: dict[str, float], name: str) -> tuple[str, str]:
    low, high = (row.get(f"{name}_{end}") for end in ("low", "high"))
    return f"{row[name]:.2f}", "" if low is None else f"{low:.2f} to {high:.2f}"


def _trainings(content: Content) -> tuple[list[dict[str, Any]], Markup]:
    """Show each model's curves, and the table of all; of a model whose logs are missing in part, those there are."""
    trained, rows = list[dict[str, Any]](), list[dict[str, str]]()
    for model, paths in content.logs.items():
        logs = [read_log(path) for path in paths if path.is_file()]
        if not logs:
            continue
        log = pd.concat(logs, ignore_index=True)
        first, last = log.iloc[0], log.iloc[-1]
        told = (
            f"Loss {first['loss']:.3g} up to iteration {first['step']:.0f}, {last['loss']:.3g} at the end, "
            f"iteration {last['step']:.0f}."
        )
        trained.append({"model": model, "picture": training_curves(log), "told": told})
        rows.append(
            {
                "Model": model,
                "Kind": content.params.models[model].kind,
                "Iterations": f"{last['step']:.0f}",
                "Minutes": f"{sum(each['seconds'].iloc[-1] for each in logs) / 60:.1f}",
                "Images per second": f"{log['images_per_second'].median():.0f}",
                "Last loss": f"{last['loss']:.4g}",
            }
        )
    if not rows:
        return [], Markup()
    caption = "Training as its logs tell it: time is measured, and differs from machine to machine."
    return trained, html_table(pd.DataFrame(rows), caption, [True, True] + [False] * 4)
