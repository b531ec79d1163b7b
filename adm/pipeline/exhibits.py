"""What the page of a scale shows, read off the graph: files, and the commands that make them."""

from collections.abc import Mapping
from pathlib import Path

from adm.params.load import write
from adm.pipeline.graph import Pipeline
from adm.report.page.content import Content, Exhibit

USUAL = Path("params.yaml")
"""The params file that a command need not name."""


def content_of_page(pipeline: Pipeline, file: Path, stale: Mapping[str, str]) -> Content:
    """Gather what the page of a params file shows.

    Args:
        pipeline: Its jobs.
        file: The params file, as commands are to name it.
        stale: By the name of a job, why it would be done again.
    """
    params = pipeline.params
    named = "" if file == USUAL else f" --params {file}"
    exhibits = [
        Exhibit(
            kind=job.kind.name,  # type: ignore[arg-type]
            key=job.key,
            caption=job.sections.get("caption", ""),
            command=f"adm {' '.join(job.command)}{named}",
            files=job.outputs,
            stale=stale.get(job.name, ""),
        )
        for kind, keys in pipeline.shown.items()
        for job in (pipeline.jobs[f"{kind}/{key}"] for key in keys)
    ]
    logs: dict[str, list[Path]] = {}
    for key, segment in params.segments.items():
        logs.setdefault(segment.model, []).append(pipeline.artifact("training", key))
    everything = "snakemake --cores all" + ("" if file == USUAL else f" --configfile {file}")
    name = Path(params.paths.results).name
    return Content(name, params, write(params), exhibits, logs, f"adm report{named}", everything)
