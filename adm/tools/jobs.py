"""`jobs`, `verify` and `accept`: which jobs of a params file are done, which would be done again and why, and need not.

What is stale `adm.pipeline.carrying` decides. `jobs` reads no large file; `verify` reads all, and finds the damaged.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

from adm.artifacts.code import ACCEPTED, code_of_record, read_accepted
from adm.artifacts.manifest import damage, read_record
from adm.artifacts.reading import read_json
from adm.artifacts.writing import new_file, write_json
from adm.errors import accepted, some
from adm.params import Params, UserError, load
from adm.params.load import write
from adm.pipeline import Job, Pipeline, kinds
from adm.pipeline.carrying import CODE, identity_if_any, stale, tells
from adm.progress import progress


class State(NamedTuple):
    """Whether a job is done.

    Attributes:
        word: "there", "missing" where it is not done, or "stale" where it would be done again.
        why: For a job that is stale, what changed.
    """

    word: Literal["there", "stale", "missing"]
    why: Sequence[str] = ()

    def __str__(self) -> str:
        return f"{self.word} ({some(self.why, separator='; ')})" if self.why else self.word


def run(params: Params, verb: str | None) -> None:
    """Print each job and its state, in an order in which they can be done, and how many are in which.

    With a verb only its jobs count.

    Raises:
        UserError: The params file has no job of the verb.
    """
    pipeline = Pipeline(params)
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
    """Find the state of each job, by its name, from what is there and from records; no large file is read."""
    by_name: dict[str, State] = {}
    identify = cache(identity_if_any)
    for name, job in pipeline.jobs.items():
        if not all(path.exists() for path in job.outputs.values()):
            by_name[name] = State("missing")
            continue
        inputs = {path: by_name[pipeline.makers[path].name].word for path in job.inputs.values()}
        try:
            why = [each for path in job.outputs.values() for each in stale(job, path, identify, inputs=inputs)]
        except UserError as error:
            why = [str(error)]
        if job.kind.name == "resolve":
            why = _changes_of_resolved(job, pipeline)
        by_name[name] = State("stale", why) if why else State("there")
    return by_name


def params_kept(results: Path) -> Path:
    """Name the params file that is kept with results: it tells what these are made from.

    Raises:
        UserError: This is no results folder.
    """
    file = results / kinds()["resolve"].outputs["params"]
    if not file.is_file():
        raise UserError(f"{results}: is no results folder: it has no {file.name}, which `adm resolve` writes")
    return file


def _changes_of_resolved(job: Job, pipeline: Pipeline) -> list[str]:
    """Tell why the params file would be written out again."""
    if job.outputs["params"].read_text(encoding="utf-8") != write(pipeline.params):
        return ["params"]
    changed: dict[str, list[str]] = {}
    for name, triggers in pipeline.triggers.items():
        path = job.outputs["jobs"] / f"{name}.json"
        last = read_json(path) if path.is_file() else {}
        if last != json.loads(json.dumps(triggers)):
            changed.setdefault("params" if last.get("code") == triggers["code"] else "code", []).append(name)
    return [f"{what} of {some(names)}" for what, names in changed.items()]


def verify(results: Path | None, params: Path) -> bool:
    """Check every artifact that tells what made it; print a line for each wrong one, and counts.

    Values are compared with those of the params file that is kept with the results; without a folder, the results of
    `params` are checked, and compared with it.

    Returns:
        Whether nothing is wrong. Other code is not wrong: the engines run such stages again by themselves.

    Raises:
        UserError: RESULTS is no results folder: it holds no params file that today's code accepts.
    """
    pipeline = Pipeline(load(params if results is None else params_kept(results)), results)
    root = pipeline.root
    if not root.is_dir():
        params_kept(root)  # refuses it
    made = {path: job for path, job in pipeline.makers.items() if path.exists() and tells(job, path)}
    identify, wrong, other = cache(identity_if_any), dict[str, list[str]](), list[str]()
    for path, job in progress(made.items(), total=len(made), unit="artifact"):
        name, mistakes = path.relative_to(root).as_posix(), list(_mistakes(job, path, identify))
        if CODE in mistakes:
            other.append(name)
        if mistakes := [each for each in mistakes if each != CODE]:
            wrong[name] = mistakes
    for name, mistakes in wrong.items():
        print(f"{name}: {some(mistakes, separator='; ')}")
    if other:
        print(f"made by other code than today's, or by the same under another Python: {some(other)}")
    print(f"{len(made)} artifacts: {len(made) - len(wrong)} sound, {len(wrong)} wrong; {len(other)} made by other code")
    return not wrong


def _mistakes(job: Job, path: Path, identify: Callable[[Path], str | None]) -> Iterator[str]:
    """Tell of damage, and of what is stale by the record; what is wrong with a parent is told of the parent."""
    # The path stands at the head of the line already.
    within = f"{path if path.is_dir() else path.parent}/"
    try:
        if path != job.outputs.get("log"):
            yield from (mistake.removeprefix(within) for mistake in damage(Path(within), read_record(path)))
        yield from stale(job, path, identify)
    except UserError as error:
        yield str(error).removeprefix(within)


def accept(pipeline: Pipeline, verb: str | None, reason: str) -> None:
    """Have today's code of a stage stand for the code that its artifacts were made with.

    Neither engine then runs it again for its code. What is recorded is part of the project, for all its params files.
    Of several older codes that stands for most artifacts; those of the others are made again.

    Args:
        pipeline: The jobs whose artifacts tell which code that was.
        verb: The stage; None accepts the code of all.
        reason: Why it computes the same, in words.

    Raises:
        UserError: There is no artifact of the verb that tells its code.
    """
    # By maker and its digest of today, of which a stage whose jobs name several samplers, say, has several.
    codes = defaultdict[tuple[str, str], Counter[str]](Counter)
    for job in pipeline.jobs.values():
        maker = job.kind.verb
        if "out" in job.outputs and job.out.exists() and (made_by := read_record(job.out)).stage == maker:
            codes[maker, job.triggers["code"]][code_of_record(maker, made_by.code)] += 1
    stage, counts = (verb or "").replace("-", "_"), dict.fromkeys((maker for maker, _ in codes), 0)
    if verb and stage not in counts:
        telling = dict.fromkeys(kind.verb for kind in kinds().values() if "out" in kind.outputs)
        known = f"; {accepted(telling, verb)}" if stage not in telling else ""
        raise UserError(f"{verb!r}: no artifact in {pipeline.root} tells that it was made by this verb{known}")
    record = read_accepted()
    for (maker, today), others in codes.items():
        del others[today]
        if verb is None or maker == stage:
            for code, many in others.most_common(1):
                record.setdefault(maker, {})[today] = {"as": code, "on": date.today().isoformat(), "reason": reason}
                counts[maker] += many
                if left := others.total() - many:
                    print(f"{maker}: {left} artifacts of {len(others) - 1} other codes are made again")
    for maker in [stage] if verb else counts:
        count = counts[maker]
        print(f"{maker}: today's code stands for that of {count} artifacts" if count else f"{maker}: nothing to accept")
    if any(counts.values()):
        with new_file(ACCEPTED) as path:
            write_json(path, record)
