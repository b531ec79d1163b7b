"""What the page of a scale shows, read off the graph: files, commands, and the params that each thing rests on."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from adm.params import Params
from adm.params.load import write
from adm.params.schema import Sections
from adm.params.section import Section
from adm.pipeline.graph import Pipeline
from adm.pipeline.jobs import Job
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
    params, texts = pipeline.params, _texts(pipeline.params)
    named = "" if file == USUAL else f" --params {file}"
    exhibits = [
        Exhibit(
            kind=job.kind.name,  # type: ignore[arg-type]
            key=job.key,
            caption=job.sections.get("caption", ""),
            command=f"adm {' '.join(job.command)}{named}",
            files=job.outputs,
            rests_on=_sections(pipeline, job, texts),
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


def _sections(pipeline: Pipeline, job: Job, texts: Mapping[int, tuple[str, str]]) -> str:
    """Write the sections that a job, and all that it waits for, read: as YAML, an entry a line."""
    waiting, seen, read = [job.name], set[str](), set[int]()
    while waiting:
        if (name := waiting.pop()) not in seen:
            seen.add(name)
            read.update(_read(pipeline, pipeline.jobs[name]))
            waiting += pipeline.after(pipeline.jobs[name])
    lines, head = list[str](), ""
    for known, (place, text) in texts.items():
        if known in read:
            lines += [f"{place}:"] if place != head else []
            lines.append(f"  {text}")
            head = place
    return "\n".join(lines)


def _read(pipeline: Pipeline, job: Job) -> Iterator[int]:
    """Return the identities of the sections that a job reads; `sizes`, which counts all models at once, is left out."""
    if job.kind.name == "prepare":
        yield id(pipeline.params.datasets[job.key])
    if job.kind.name != "sizes":
        for section in job.sections.values():
            if isinstance(section, Sections):  # an excerpt, whose sections jobs behind it read
                yield from map(id, section.groups.values())
            else:
                yield from map(id, section.values() if isinstance(section, Mapping) else [section])


def _texts(params: Params) -> dict[int, tuple[str, str]]:
    """Return by the identity of each section, in order, where it stands in the params file, and its key and values."""
    texts: dict[int, tuple[str, str]] = {}
    places = {name: getattr(params, name) for name in type(params).model_fields}
    places |= {f"published.{kind}": getattr(params.published, kind) for kind in type(params.published).model_fields}
    for place, content in places.items():
        if isinstance(content, Mapping):
            texts |= {id(section): (place, f"{key}: {_flow(section)}") for key, section in content.items()}
    return texts


def _flow(section: Section | list[str]) -> str:
    """Write a section, or the runs of a group, on one line, without what equals its defaults."""
    content = section if isinstance(section, list) else section.model_dump(mode="json", exclude_defaults=True)
    return yaml.safe_dump(content, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10**6).strip()
