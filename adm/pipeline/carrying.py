"""A job carried out: its inputs are checked, and its stage is handed what it takes and what its artifact is to record.

There is one notion of stale. An artifact tells in its record by which code, with which values of the params file and
from which inputs it was made; it is stale where its job has others today. The code and the values are the job's
triggers, which Snakemake compares and which `resolve` writes for DVC, so both engines do the stale jobs and no others.
A verb that is called by hand refuses stale inputs, and stale artifacts that these are made from, but for those that
other code made.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from adm.artifacts.code import code_of_record
from adm.artifacts.manifest import MadeBy, Manifest, differing, fingerprint, identity, provenance, read_record
from adm.artifacts.seal import read_made_with
from adm.errors import UserError, some
from adm.pipeline.arguments import arguments
from adm.pipeline.graph import Pipeline
from adm.pipeline.jobs import Job

CODE = "code"
"""Why an artifact is stale whose stage's code changed."""


def carry_out(pipeline: Pipeline, job: Job, environment: SimpleNamespace) -> None:
    """Execute the stage of a job; `environment` is what `adm.pipeline.arguments` takes.

    Raises:
        UserError: An input, or what it is made from, is stale, or the stage fails.
    """
    if job.kind.name != "report":  # the page tells what is out of date
        check_sound(pipeline, *job.inputs.values())
    environment.made_by = made_by(job)
    stage: Any = import_module(job.kind.stage)
    stage.run(**arguments(stage.run, job, environment))


def check_sound(pipeline: Pipeline, *paths: Path) -> None:
    """Refuse artifacts of which one is missing or stale, or made from a stale one; the nearest is told."""
    waiting, seen, identify = [*paths], set[Path](), cache(identity)
    if lacking := next((path for path in waiting if path in pipeline.makers and not path.exists()), None):
        raise UserError(f"{lacking}: does not exist; make it: {pipeline.making(lacking)}")
    for path in waiting:
        maker = pipeline.makers.get(path)
        if path in seen or maker is None:
            continue
        seen.add(path)
        waiting += maker.inputs.values()
        if not path.exists():
            continue  # what an input is made from may be gone
        if why := [each for each in stale(maker, path, identify, missing_too=False) if each != CODE]:
            told = f"{path}: is out of date ({some(why, separator='; ')})"
            raise UserError(f"{told}; make it again: {pipeline.command(maker)}")


def made_by(job: Job) -> MadeBy:
    """Tell what makes the artifact of a job; nothing, of the params file. Inputs that the page lacks are left out."""
    if job.kind.name == "resolve":
        return {}
    there = {name.rstrip("/"): path for name, path in job.inputs.items() if path.exists()}
    return provenance(job.kind.verb, job.code, job.sections, there, job.kind.libraries)


def tells(job: Job, path: Path) -> bool:
    """Tell whether an output of a job records what made it: folders do, files of JSON, and logs of training."""
    return path in (job.outputs.get("out", job.outputs.get("json")), job.outputs.get("log"))


def stale(
    job: Job,
    path: Path,
    identify: Callable[[Path], str | None],
    missing_too: bool = True,
    inputs: Mapping[Path, str] | None = None,
) -> Iterator[str]:
    """Yield why an artifact is stale.

    Args:
        job: What makes it.
        path: Of those that the job makes; of one that does not tell there is nothing to say.
        identify: Identifies an artifact.
        missing_too: Whether inputs that are not there any more count.
        inputs: The words of the states of its inputs; those that are "there" are identified. All are if not given.

    Raises:
        UserError: Its record is missing or damaged, or an input cannot be identified.
    """
    if not tells(job, path):
        return
    if path == job.outputs.get("log"):
        if read_made_with(path) != fingerprint(job.values):
            yield "it is of another training: the params differ"
        return
    record = read_record(path)
    if record.stage != job.kind.verb:
        yield f"was made by {record.stage!r}, not by {job.kind.verb!r}"
        return
    yield from _changed(record, job)
    made_from = {name.rstrip("/"): path for name, path in job.inputs.items()}
    yield from (f"input {name} is read no more" for name in record.inputs if name not in made_from)
    for name, source in made_from.items():
        word = (inputs or {}).get(source, "there")
        if word == "there" and (missing_too or source.exists()) and record.inputs.get(name) != identify(source):
            word = "another one" if source.exists() else "missing"
        if word != "there":
            yield f"input {source.relative_to(job.root).as_posix()} is {word}"


def _changed(record: Manifest, job: Job) -> Iterator[str]:
    """Yield whether code and params are others than a record tells of."""
    if code_of_record(record.stage, record.code) != job.triggers["code"]:
        yield CODE
    wanted = job.values
    if record.code != job.code:  # other code may have read less
        wanted = {name: value for name, value in wanted.items() if name in (*record.params, "asked")}
    changed = [f"params: {key} {old} -> {new}" for key, old, new in differing(record.params, wanted)]
    if not changed and record.code == job.code and json.dumps(record.params) != json.dumps(wanted):
        changed = ["params: the order of entries"]  # in which a table has its rows, say
    yield from changed


def identity_if_any(path: Path) -> str | None:
    """Identify an artifact; None if it is not there or damaged."""
    try:
        return identity(path)
    except UserError:
        return None
