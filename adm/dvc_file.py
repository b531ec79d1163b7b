"""The dvc.yaml of a params file, which is generated: a stage a job, with exactly what it reads and writes."""

import os
from pathlib import Path

from adm.params import UserError, read
from adm.pipeline import Job, Pipeline

NAME = "dvc.yaml"

HEADER = """\
# Generated from {params}: do not edit.
#
#   {command}
"""

TRACKED = frozenset({"table", "figure", "claims"})
"""Rules whose outputs git holds, or what is made anew from what DVC holds."""


def command_of(params: Path) -> str:
    """What to type to make the file anew."""
    return f"adm dvc --params {params}"


def render(params: Path, files: list[Path], pipeline: Pipeline) -> str:
    """The text of the dvc.yaml of a params file.

    Args:
        params: The params file, from the project's root.
        files: It and its bases.
        pipeline: Its jobs.

    Raises:
        UserError: Results lie outside the project, where DVC keeps none.
    """
    if pipeline.root.is_absolute():
        raise UserError(
            f"{params}: paths.results: {pipeline.root} is outside the project, but DVC needs them in it: results/NAME"
        )
    whole = Pipeline(pipeline.params, 1)
    folder = params.parent
    root = os.path.relpath(Path(), folder)
    lines = [HEADER.format(params=params, command=command_of(params)), "stages:"]
    for job in whole.jobs.values():
        lines += _stage(job, params, files, "" if root == "." else root)
    return "\n".join(lines) + "\n"


def stage_name(job: Job) -> str:
    """What DVC calls a job: it takes letters, digits, "-" and "_" alone."""
    return job.name.replace("/", "-")


def check_stages(path: Path, params: Path, pipeline: Pipeline) -> None:
    """Refuse a dvc.yaml whose stages or edges are of other params.

    Raises:
        UserError: It is, or it is missing; names the command that makes it anew.
    """
    try:
        found = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        found = ""
    if found != render(params, read(params).files, pipeline):
        raise UserError(f"{path}: its stages are not those of {params}; type: {command_of(params)}")


def _stage(job: Job, params: Path, files: list[Path], root: str) -> list[str]:
    words = ["python -m adm", *job.command, "--params", str(params)]
    trigger = job.root / "jobs" / f"{job.name}.json"
    deps = [trigger, *dict.fromkeys(job.inputs.values())]
    if job.rule == "resolve":
        deps = [Path("adm"), *files]
        words += ["--dvc", str(params.with_name(NAME))]
    outs = [str(path) for path in job.outputs.values()]
    if job.rule in TRACKED:
        outs = [f"{path}: {{cache: false}}" for path in outs]
    return [
        f"  {stage_name(job)}:",
        *([f"    wdir: {root}"] if root else []),
        f"    cmd: {' '.join(words)}",
        "    deps:",
        *(f"    - {os.path.relpath(path)}" for path in deps),
        "    outs:",
        *(f"    - {path}" for path in outs),
    ]
