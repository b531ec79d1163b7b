"""`verify`: which artifacts of a results folder are damaged, or not what the params file kept with them would make."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from adm.artifacts.inventory import Artifact, damage, find_artifacts, read_record_of
from adm.artifacts.writing import new_file, write_json
from adm.errors import some
from adm.machine import available_cores
from adm.params import UserError, load
from adm.pipeline import Job, Pipeline
from adm.pipeline.carrying import CODE, identity_if_any, stale
from adm.progress import progress
from adm.tools.jobs import params_kept


@dataclass(frozen=True)
class Checked:
    """The findings about an artifact.

    Attributes:
        wrong: What is damaged, and why it is stale, but for its code; empty if it is sound.
        stage: The stage that made it; None if it does not tell.
        is_of_other_code: Whether other code made it than today's, and neither was accepted as the other.
        is_left_over: Whether no job of the params file makes it.
    """

    wrong: list[str] = field(default_factory=list)
    stage: str | None = None
    is_of_other_code: bool = False
    is_left_over: bool = False


def run(results: Path, out: Path | None) -> bool:
    """Check every artifact; print a line for each wrong one, and counts.

    Returns:
        Whether nothing is wrong. Other code is not wrong: the engines run such stages again by themselves. Nor is what
        no job of the params file makes, which is told.

    Raises:
        UserError: RESULTS is no results folder: it holds no params file that today's code accepts.
    """
    # Of a run in shards, the whole remains.
    pipeline = Pipeline(load(params_kept(results)), 1, results)
    artifacts, identify = find_artifacts(results), cache(identity_if_any)
    jobs = {path: job for job in pipeline.jobs.values() for path in job.outputs.values()}
    for artifact in artifacts.values():
        if artifact.path in jobs:
            _ = jobs[artifact.path].code  # kept: Python 3.11 cannot parse code in two threads
    with ThreadPoolExecutor(available_cores()) as pool:
        found = pool.map(lambda one: _check(one, jobs.get(one.path), identify), artifacts.values())
        checked = dict(zip(artifacts, progress(found, total=len(artifacts), unit="artifact"), strict=True))
    for path, one in checked.items():
        if one.wrong:
            print(f"{path}: {some(one.wrong, separator='; ')}")
    for told, those in (
        ("made by other code than today's, or by the same under another Python", "is_of_other_code"),
        ("made by no job of the params file", "is_left_over"),
    ):
        if paths := [path for path, one in checked.items() if getattr(one, those)]:
            print(f"{told}: {some(paths)}")
    unrecorded = sum(one.stage is None and not one.wrong for one in checked.values())
    wrong = sum(bool(one.wrong) for one in checked.values())
    counts = {
        "artifacts": len(checked) - unrecorded,
        "sound": len(checked) - unrecorded - wrong,
        "wrong": wrong,
        "other_code": sum(one.is_of_other_code for one in checked.values()),
        "left_over": sum(one.is_left_over for one in checked.values()),
        "unrecorded": unrecorded,
    }
    print(
        f"{counts['artifacts']} artifacts: {counts['sound']} sound, {wrong} wrong; "
        f"{counts['other_code']} made by other code; {counts['left_over']} left over; "
        f"{unrecorded} files of which no manifest tells"
    )
    if out is not None:
        with new_file(out) as partial:
            write_json(partial, {"counts": counts, "artifacts": {path: asdict(one) for path, one in checked.items()}})
    return not wrong


def _check(artifact: Artifact, job: Job | None, identify: Callable[[Path], str | None]) -> Checked:
    """Look for damage, and for what is stale by the record; what is wrong with a parent is told of the parent."""
    is_log = job is not None and artifact.path == job.outputs.get("log")
    if not is_log and not artifact.tells:
        return Checked(is_left_over=job is None)
    stage, wrong, why = None, list[str](), list[str]()
    try:
        if not is_log:
            record = read_record_of(artifact)
            stage, wrong = record.stage, damage(artifact, record)
        if job is not None:  # else its stage may be one that is no more
            why = list(stale(job, artifact.path, identify))
    except UserError as error:
        # The path stands at the head of the line already.
        name = f"{artifact.path if artifact.is_folder else artifact.path.parent}/"
        wrong.append(str(error).removeprefix(name))
    return Checked([*wrong, *(each for each in why if each != CODE)], stage, CODE in why, is_left_over=job is None)
