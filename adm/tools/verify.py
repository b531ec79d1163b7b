"""`verify`: which artifacts of a results folder are damaged, or not what the params file kept with them would make."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from adm.artifacts.manifest import damage, read_record
from adm.errors import some
from adm.params import UserError, load
from adm.pipeline import Job, Pipeline
from adm.pipeline.carrying import CODE, identity_if_any, stale, tells
from adm.progress import progress
from adm.tools.jobs import params_kept


def run(results: Path) -> bool:
    """Check every artifact that tells what made it; print a line for each wrong one, and counts.

    Returns:
        Whether nothing is wrong. Other code is not wrong: the engines run such stages again by themselves.

    Raises:
        UserError: RESULTS is no results folder: it holds no params file that today's code accepts.
    """
    # Of a run in shards, the whole remains.
    pipeline = Pipeline(load(params_kept(results)), 1, results)
    made = {
        path: job
        for path, job in pipeline.makers.items()
        if path.exists() and (tells(job, path) or path == job.outputs.get("log"))
    }
    identify, wrong, other = cache(identity_if_any), dict[str, list[str]](), list[str]()
    for path, job in progress(made.items(), total=len(made), unit="artifact"):
        name, mistakes = path.relative_to(results).as_posix(), list(_mistakes(job, path, identify))
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
        if path.is_dir():
            yield from (mistake.removeprefix(within) for mistake in damage(path, read_record(path)))
        yield from stale(job, path, identify)
    except UserError as error:
        yield str(error).removeprefix(within)
