"""The page of a scale, from its template."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from adm.errors import UserError
from adm.metrics.intervals import TAIL
from adm.report.metrics import read_log
from adm.report.page.content import FOLDER, Content, Exhibit
from adm.report.page.pictures import Picture, picture, training_curves
from adm.report.tables import html_table, table_in, title
from adm.report.verdicts import WORST_FIRST, Verdict, read_verdicts, verdict_table


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
    """Write the page as HTML.

    Args:
        content: What it shows. What does not exist is named in the page.

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
    trained, trainings = _trainings(content)
    verdicts = [(one.exhibit, verdict) for one in claims for verdict in one.verdicts]
    environment = Environment(loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined)
    return environment.get_template("page.html.j2").render(
        content=content,
        claims=claims,
        tables=tables,
        figures=pictures,
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
            claims.table = Markup(verdict_table(claims.verdicts, exhibit.key))  # noqa: S704
        return claims
    if exhibit.kind == "table":
        table = Markup(table_in(files["html"])) if "html" in files else Markup()  # noqa: S704
        return Shown(exhibit, name, exhibit.caption, table)
    drawn = picture(files)
    caption = drawn.caption.removeprefix(f"{name}: ") if drawn and drawn.caption else exhibit.caption
    return Shown(exhibit, name, caption, picture=drawn)


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
    table = html_table(pd.DataFrame(rows), caption, [True, True] + [False] * 4)
    return trained, Markup(table)  # noqa: S704
