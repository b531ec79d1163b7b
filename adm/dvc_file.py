"""The generated dvc.yaml of a params file: one stage for each job, with exact dependencies and outputs."""

import os
from functools import partial
from pathlib import Path
from typing import Any

from adm.config.metrics import METRICS
from adm.params import UserError, read
from adm.params.section import AT
from adm.params.tables import OwnTableParams
from adm.pipeline import Job, Pipeline

NAME = "dvc.yaml"

SCORED = ("evaluate", "curve", "judge")
"""Kinds of jobs whose outputs hold scores of runs."""

MEASURED = frozenset({"table_7", "figure_5_seconds", "speed"})
"""Keys of tables, figures and claims that are measured in seconds: no comparison of results takes them in."""


def command_of(params: Path) -> str:
    """Write the command that generates the file again."""
    return f"adm dvc --params {params}"


def render(params: Path, files: list[Path], pipeline: Pipeline) -> str:
    """Write the text of the dvc.yaml of a params file, relative to the project's root; `files` are it and its bases.

    Raises:
        UserError: The results folder is outside the project, where DVC cannot track it.
    """
    if pipeline.root.is_absolute():
        raise UserError(
            f"{params}: paths.results: {pipeline.root} is outside the project, but DVC needs them in it: results/NAME"
        )
    whole = Pipeline(pipeline.params, 1)
    watched = [Path(str(dataset.root)) for dataset in pipeline.params.datasets.values() if dataset.watched]
    files = [*files, *dict.fromkeys(watched)]
    folder = params.parent
    root = os.path.relpath(Path(), folder)
    lines = [f"# Generated from {params}: do not edit.", "#", f"#   {command_of(params)}", "", "stages:"]
    for job in whole.jobs.values():
        lines += _stage(job, params, files, "" if root == "." else root)
    lines += _shown(whole, folder)
    return "\n".join(lines) + "\n"


def stage_name(job: Job) -> str:
    """DVC's name of a job; DVC allows only letters, digits, "-" and "_", and keys have no capitals."""
    return job.name.replace("/", "-").replace(AT, "-AT-")


def check_stages(path: Path, params: Path, pipeline: Pipeline) -> None:
    """Refuse a dvc.yaml that does not have the stages and edges of a params file.

    Raises:
        UserError: It differs or is missing; the message names the command that generates it.
    """
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    if text != render(params, read(params).files, pipeline):
        raise UserError(f"{path}: its stages are not those of {params}; type: {command_of(params)}")


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


def _shown(pipeline: Pipeline, folder: Path) -> list[str]:
    """Declare what `dvc metrics` and `dvc plots` show where it is, so that no stage has another output for them."""
    jobs = [job for job in pipeline.jobs.values() if job.key not in MEASURED]
    path = partial(os.path.relpath, start=folder)

    # Of scores their folders: DVC looks for the files.
    scored = dict.fromkeys(job.out.parent for job in jobs if job.kind.name in SCORED)
    metrics = [f"- {path(found)}" for found in scored]
    metrics += [f"- {path(job.outputs['json'])}" for job in jobs if job.kind.name == "claims"]
    plots, losses = [], dict[str, list[str]]()
    for job in jobs:
        if job.kind.name == "figure":
            plots.append(f"- {path(job.outputs['png'])}")
        elif job.kind.name == "table" and (metric := _drawn(pipeline.params.tables[job.key])):
            bars = ["    template: bar_horizontal", f"    x: {metric}", "    y: Run"]
            plots += [f"- {path(job.outputs['csv'])}:", *bars]
        elif job.kind.name == "train":
            logs = losses.setdefault(pipeline.params.model_of(job.key), [])
            logs.append(f"      {path(job.outputs['log'])}: loss")
    for model, logs in losses.items():
        plots += [f"- loss of {model}:", "    x: step", "    y:", *logs]
    sections = {"metrics": metrics, "plots": plots}
    return [line for name, entries in sections.items() if entries for line in (f"{name}:", *entries)]


def _drawn(table: Any) -> str | None:
    """Find the heading of an own table's first metric whose column holds numbers alone; None if it has none."""
    if not isinstance(table, OwnTableParams) or table.intervals:
        return None
    return next((METRICS[name].label for name in table.metrics if METRICS[name].digits is None), None)
