"""`verify`: which artifacts of a results folder are damaged, or not what the params file kept with them would make."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path

from adm.artifacts.code import acceptances, code_of_record
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
        code: The digest of the code that made it.
        today: That of the code that would make it today.
        is_of_other_code: Whether the two differ, and neither was accepted as the other.
        is_left_over: Whether no job of the params file makes it.
    """

    wrong: list[str] = field(default_factory=list)
    stage: str | None = None
    code: str = ""
    today: str = ""
    is_of_other_code: bool = False
    is_left_over: bool = False


def run(results: Path, out: Path | None) -> bool:
    """Check every artifact; print a line for each wrong one and for each stage whose code changed, and counts.

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
    for line in _code(checked.values()):
        print(line)
    left_over = [path for path, one in checked.items() if one.is_left_over]
    if left_over:
        print(f"made by no job of the params file: {some(left_over)}")
    unrecorded = sum(one.stage is None and not one.wrong for one in checked.values())
    wrong = sum(bool(one.wrong) for one in checked.values())
    counts = {
        "artifacts": len(checked) - unrecorded,
        "sound": len(checked) - unrecorded - wrong,
        "wrong": wrong,
        "other_code": sum(one.is_of_other_code for one in checked.values()),
        "left_over": len(left_over),
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
    if job is not None and artifact.path == job.outputs.get("log"):
        return Checked(_why(artifact, job, identify))
    if not artifact.tells:
        return Checked(is_left_over=job is None)
    try:
        record = read_record_of(artifact)
    except UserError as error:
        return Checked([_by_name(artifact, error)], is_left_over=job is None)
    wrong = damage(artifact, record)
    if job is None:  # its stage may be one that is no more
        return Checked(wrong, record.stage, record.code, is_left_over=True)
    why = _why(artifact, job, identify)
    wrong += [reason for reason in why if reason != CODE]
    today = job.code if record.stage == job.kind.made_by else ""
    return Checked(wrong, record.stage, record.code, today, CODE in why)


def _why(artifact: Artifact, job: Job, identify: Callable[[Path], str | None]) -> list[str]:
    try:
        return list(stale(job, artifact.path, identify))
    except UserError as error:
        return [_by_name(artifact, error)]


def _by_name(artifact: Artifact, error: UserError) -> str:
    """Shorten an error that names a whole path, which stands at the head of the line already."""
    return str(error).removeprefix(f"{artifact.path if artifact.is_folder else artifact.path.parent}/")


def _code(checked: Iterable[Checked]) -> Iterator[str]:
    """Tell of each stage how many artifacts are of other code than today's, and of code that was accepted and why."""
    counts = Counter((one.stage or "", one.code, one.today) for one in checked if one.today and one.code != one.today)
    other = Counter[str]()
    for (stage, code, today), count in sorted(counts.items()):
        if code_of_record(stage, code) != code_of_record(stage, today):
            other[stage] += count
            continue
        steps = [*acceptances(stage, today), *acceptances(stage, code)]
        told = "; ".join(dict.fromkeys(f"on {step['on']}, {step['reason'] or 'for no reason given'}" for step in steps))
        yield f"made by code of {stage!r} that was accepted as equal to today's {told}: {count} artifacts"
    for stage, count in other.items():
        yield f"made by other code of {stage!r} than today's, or by the same under another Python: {count} artifacts"
