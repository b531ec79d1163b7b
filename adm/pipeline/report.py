"""Kinds of jobs that report: tables, figures, verdicts on claims, and all of them on one page."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adm.paper import JUDGED, TABLES, captions, table_cells
from adm.params.claims import grouped
from adm.params.figures import GridParams
from adm.params.load import write
from adm.params.needs import excerpt, needs_of
from adm.params.tables import OwnTableParams
from adm.pipeline.data import RESOLVE
from adm.pipeline.jobs import Job, Kind
from adm.report.names import stands_for
from adm.report.page.content import Content, Exhibit, digest_of_parts

if TYPE_CHECKING:
    from adm.pipeline.graph import Pipeline

SHEET = "images.png"
"""The contact sheet that `adm new` writes beside a params file."""


def content_of_page(pipeline: "Pipeline", stale: Mapping[str, str], compared: Sequence[str] = ()) -> Content:
    """Gather what the page of a params file shows.

    Args:
        pipeline: Its jobs.
        stale: By the name of a job, why it would be done again.
        compared: How its results compare with what is published of them.
    """
    params = pipeline.params
    exhibits = [
        Exhibit(
            kind=job.kind.name,  # type: ignore[arg-type]
            key=job.key,
            caption=job.sections.get("caption", ""),
            command=pipeline.command(job),
            files=job.outputs,
            stale=stale.get(job.name, ""),
        )
        for kind, keys in pipeline.exhibits.items()
        for job in (pipeline.jobs[f"{kind}/{key}"] for key in keys)
    ]
    logs: dict[str, list[Path]] = {}
    for key, segment in params.segments.items():
        logs.setdefault(segment.model, []).append(pipeline.artifact("training", key))
    return Content(
        name=Path(params.paths.results).name,
        params=params,
        written=write(params),
        exhibits=exhibits,
        logs=logs,
        scores=_scores(pipeline),
        everything=pipeline.making(),
        sheet=pipeline.file.with_name(SHEET),
        compared=compared,
    )


def _scores(graph: "Pipeline") -> dict[str, Path]:
    """Find the scores of the runs that grids show, of which the page shows the best one first."""
    runs = (figure.run for figure in graph.params.figures.values() if isinstance(figure, GridParams))
    return {run: graph.artifact("metrics", run) for run in runs if run in graph.params.scored}


def _tables(graph: "Pipeline") -> Iterator[Job]:
    params = graph.params
    for key, table in params.tables.items():
        needs = needs_of(params, table)
        read = excerpt(params, needs, table)
        named = read.models or [params.model_of(params.checkpoint_of(run)) for run in read.runs]
        words = {"caption": _caption(key, table), "names": stands_for(params, named), "paper": _paper(key, table)}
        words["parts"] = digest_of_parts("table*")
        yield graph.job(TABLE, key, graph.needed(needs), table=table, read=read, **words)


def _figures(graph: "Pipeline") -> Iterator[Job]:
    for key, figure in graph.params.figures.items():
        needs = needs_of(graph.params, figure)
        read = excerpt(graph.params, needs, figure)
        words = {"caption": _caption(key, figure), "names": stands_for(graph.params, read.models)}
        yield graph.job(FIGURE, key, graph.needed(needs), figure=figure, read=read, **words)


def _claims(graph: "Pipeline") -> Iterator[Job]:
    for group, claims in grouped(graph.params.claims).items():
        needs = needs_of(graph.params, *claims.values())
        read = excerpt(graph.params, needs, *claims.values())
        yield graph.job(CLAIMS, group, graph.needed(needs), claims=claims, read=read, parts=digest_of_parts("table*"))


def _page(graph: "Pipeline") -> Iterator[Job]:
    """Yield the job of the page, which shows all tables, figures and claims, the logs of training, and the params."""
    if not any(graph.exhibits.values()):
        return
    jobs = [Job(kind, key, graph.root) for kind in KINDS for key in graph.exhibits.get(kind.name, ())]
    inputs = {f"{job.name}.{ending}": path for job in jobs for ending, path in job.outputs.items()}
    inputs |= {f"training/{key}": graph.artifact("training", key) for key in graph.params.segments}
    inputs |= {f"metrics/{run}": path for run, path in _scores(graph).items()}
    inputs["params"] = Job(RESOLVE, "", graph.root).outputs["params"]
    yield graph.job(REPORT, "", inputs, parts=digest_of_parts())


def _caption(key: str, exhibit: Any) -> str:
    return getattr(exhibit, "caption", None) or captions()[key]


def _paper(table: str, exhibit: Any) -> str:
    """Hash the published values that a table shows; "" if it shows none."""
    name = JUDGED if isinstance(exhibit, OwnTableParams) and exhibit.published is not None else table
    return hashlib.sha256(repr(table_cells(name)).encode()).hexdigest()[:16] if name in (*TABLES, JUDGED) else ""


def _endings(folder: str, *endings: str) -> dict[str, str]:
    return {ending: f"{folder}/{{key}}.{ending}" for ending in (*endings, "json")}


TABLE = Kind(
    name="table",
    help="Write a table as csv, Markdown, LaTeX and HTML.",
    outputs=_endings("tables", "csv", "md", "tex", "html"),
    section="tables",
    jobs=_tables,
    libraries=("numpy", "pandas", "scipy"),
    shown=".html",
)
FIGURE = Kind(
    name="figure",
    help="Draw a figure as png, pdf and svg.",
    outputs=_endings("figures", "png", "pdf", "svg"),
    section="figures",
    jobs=_figures,
    libraries=("matplotlib", "numpy", "scipy"),
    shown=".png",
)
CLAIMS = Kind(
    name="claims",
    help="Test claims against what was measured: the paper's, those on speed, or one's own.",
    outputs=_endings("claims", "csv", "md", "tex", "html"),
    section="claims",
    jobs=_claims,
    libraries=("numpy", "pandas", "scipy"),
    shown=".html",
)
REPORT = Kind(
    name="report",
    help="Show all results on one page, and tell what is missing or out of date.",
    outputs={"html": "report.html", "json": "report.json"},
    jobs=_page,
    flag="--up-to-date",
)

KINDS = [TABLE, FIGURE, CLAIMS, REPORT]
