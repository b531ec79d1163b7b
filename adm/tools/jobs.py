"""`jobs`: which jobs of a params file are done, which are not, and which would be done again, and why."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

from adm.artifacts.code import code_of_record
from adm.artifacts.manifest import MANIFEST, differing, identity, read_record
from adm.artifacts.reading import read_json
from adm.errors import accepted, some
from adm.params import Params, UserError
from adm.params.load import write
from adm.pipeline import Job, Pipeline


@dataclass(frozen=True)
class State:
    """Whether a job is done.

    Attributes:
        word: "there", "missing" where it is not done, or "stale" where it would be done again.
        why: For a job that is stale, what changed.
    """

    word: Literal["there", "stale", "missing"]
    why: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{self.word} ({some(self.why, separator='; ')})" if self.why else self.word


def run(params: Params, verb: str | None) -> None:
    """Print each job and its state, in an order in which they can be done, and how many are in which.

    Args:
        params: The params file.
        verb: Only its jobs; all if None.

    Raises:
        UserError: The params file has no job of the verb.
    """
    # Of a run in shards, the whole remains.
    pipeline = Pipeline(params, 1)
    verbs = dict.fromkeys(job.command[0] for job in pipeline.jobs.values())
    if verb is not None and verb.replace("_", "-") not in verbs:
        raise UserError(f"{verb!r}: the params file has no job of this verb; {accepted(verbs, verb)}")
    counts = Counter[str]()
    for name, state in states(pipeline).items():
        command = pipeline.jobs[name].command
        if verb is None or command[0] == verb.replace("_", "-"):
            counts[state.word] += 1
            print(f"{' '.join(command)}: {state}")
    print(", ".join(f"{counts[word]} {word}" for word in ("there", "stale", "missing")))


def states(pipeline: Pipeline) -> dict[str, State]:
    """The state of each job, by its name, from what is there and from manifests; no large file is read."""
    found: dict[str, State] = {}
    identify = cache(identity)
    for name, job in pipeline.jobs.items():
        if not all(path.exists() for path in job.outputs.values()):
            found[name] = State("missing")
            continue
        behind = {path: found[pipeline.maker(path).name].word for path in job.inputs.values()}
        if job.kind.name == "resolve":
            why = list(_changes_of_file(job, pipeline))
        elif "out" in job.outputs:
            why = list(_changes(job, behind, identify))
        else:
            why = list(_changes_of_shown(job, behind))
        found[name] = State("stale", why) if why else State("there")
    return found


def _changes_of_file(job: Job, pipeline: Pipeline) -> Iterator[str]:
    """Why the params file would be written out again."""
    if job.outputs["params"].read_text(encoding="utf-8") != write(pipeline.params):
        yield "params"
        return
    triggers = pipeline.triggers
    files = {name: job.outputs["jobs"] / f"{name}.json" for name in triggers}
    changed = [
        name for name, path in files.items() if not path.is_file() or read_json(path) != _as_json(triggers[name])
    ]
    if changed:
        yield f"code of {some(changed)}"


def _changes(job: Job, behind: Mapping[Path, str], identify: Any) -> Iterator[str]:
    """Why an artifact that tells what made it would be made again."""
    try:
        made_by = read_record(job.outputs["out"])
    except UserError as error:
        yield str(error)
        return
    if made_by.stage != job.stage:
        yield f"made by {made_by.stage!r}"
        return
    if code_of_record(job.stage, made_by.code) != job.code_of_record:
        yield "code"
    # A curve tells its runs each by its key, and the sizes their models.
    values = {**job.values, **job.values.get({"curve": "runs", "sizes": "models"}.get(job.kind.name, ""), {})}
    yield from _other_values(made_by.params, {name: values.get(name, {}) for name in made_by.params})
    for name in made_by.inputs:
        if name not in job.inputs:
            yield f"input {name} is read no more"
    for name, path in job.inputs.items():
        if behind[path] != "there":
            yield f"input {_within(job, path)} is {behind[path]}"
        elif made_by.inputs.get(name) != identify(path):
            yield f"input {_within(job, path)} is another one"


def _changes_of_shown(job: Job, behind: Mapping[Path, str]) -> Iterator[str]:
    """Why a table, a figure or the claims would be made again: by times, and by what `resolve` last wrote of them."""
    trigger = job.root / "jobs" / f"{job.name}.json"
    if trigger.is_file():
        last = read_json(trigger)
        if last.get("code") != job.triggers["code"]:
            yield "code"
        yield from _other_values(last.get("params", {}), _as_json(job.values))
    made = min(path.stat().st_mtime_ns for path in job.outputs.values())
    for path, word in behind.items():
        file = path / MANIFEST if path.is_dir() else path
        if word != "there":
            yield f"input {_within(job, path)} is {word}"
        elif file.stat().st_mtime_ns > made:
            yield f"input {_within(job, path)} is newer"


def _other_values(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for key, made_with, value in differing(found, wanted):
        yield f"params: {key} {made_with} -> {value}"


def _within(job: Job, path: Path) -> str:
    return path.relative_to(job.root).as_posix()


def _as_json(content: Any) -> Any:
    """Plain values as JSON has them: tuples are lists, and keys strings."""
    return json.loads(json.dumps(content))
