"""The generated dvc.yaml of a params file: one stage for each job, with exact dependencies and outputs."""

import os
from pathlib import Path

from adm.params import UserError, read
from adm.params.section import AT
from adm.pipeline import Job, Pipeline

NAME, GENERATED = "dvc.yaml", "# Generated from "

SCORED = ("evaluate", "curve", "judge")
"""Kinds of jobs whose outputs hold scores of runs."""

MEASURED = frozenset({"table_7", "figure_5_seconds", "speed"})
"""Keys of tables, figures and claims that are measured in seconds: no comparison of results takes them in."""


def render(params: Path, files: list[Path], pipeline: Pipeline) -> str:
    """Write the text of the dvc.yaml of a params file, relative to the project's root; `files` are it and its bases.

    Raises:
        UserError: The results folder is outside the project, where DVC cannot track it.
    """
    if pipeline.root.is_absolute():
        raise UserError(f"{params}: paths.results: {pipeline.root} is outside the project; DVC takes results/NAME")
    watched = [Path(str(dataset.root)) for dataset in pipeline.params.datasets.values() if dataset.watched]
    files = [*files, *dict.fromkeys(watched)]
    folder = params.parent
    root = os.path.relpath(Path(), folder)
    lines = [f"{GENERATED}{params}: do not edit.", "#", f"#   adm dvc --params {params}", "", "stages:"]
    for job in pipeline.jobs.values():
        lines += _stage(job, params, files, "" if root == "." else root)
    lines += _metrics(pipeline, folder)
    return "\n".join(lines) + "\n"


def stage_name(job: Job) -> str:
    """Return DVC's name of a job; DVC allows only letters, digits, "-" and "_", and keys have no capitals."""
    return job.name.replace("/", "-").replace(AT, "-AT-")


def check_stages(path: Path, params: Path, pipeline: Pipeline) -> None:
    """Refuse a dvc.yaml that does not have the stages and edges of a params file.

    Raises:
        UserError: It differs or is missing; the message names the command that generates it.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text != render(params, read(params).files, pipeline):
        raise UserError(f"{path}: its stages are not those of {params}; type: adm dvc --params {params}")


def _stage(job: Job, params: Path, files: list[Path], root: str) -> list[str]:
    words = ["python -m adm", *job.command, "--params", str(params)]
    trigger = job.root / "jobs" / f"{job.name}.json"
    deps = [trigger, *dict.fromkeys(job.inputs.values())]
    if job.kind.name == "resolve":
        deps = [Path("adm"), *files]
        words += ["--dvc", str(params.with_name(NAME))]
    return [
        f"  {stage_name(job)}:",
        *([f"    wdir: {root}"] if root else []),
        f"    cmd: {' '.join(words)}",
        "    deps:",
        *(f"    - {os.path.relpath(path)}" for path in deps),
        "    outs:",
        *(f"    - {path}" for path in job.outputs.values()),
    ]


def _metrics(pipeline: Pipeline, folder: Path) -> list[str]:
    """Declare what `dvc metrics` shows where it is, so that no stage has another output for it."""
    jobs = [job for job in pipeline.jobs.values() if job.key not in MEASURED]
    # Of scores their folders: DVC looks for the files.
    paths = [*dict.fromkeys(job.out.parent for job in jobs if job.kind.name in SCORED)]
    paths += [job.outputs["json"] for job in jobs if job.kind.name == "claims"]
    return ["metrics:", *(f"- {os.path.relpath(path, folder)}" for path in paths)] if paths else []
