"""`accept`: a stage's code of today declared to compute what the code did that its artifacts were made with."""

import logging
from collections import Counter
from datetime import date

from adm.artifacts.code import ACCEPTED, code_of_record, read_accepted
from adm.artifacts.manifest import read_record
from adm.artifacts.writing import new_file, write_json
from adm.errors import accepted
from adm.params import UserError
from adm.pipeline import Pipeline, kinds

SHORT = 12
"""Digits of a digest that messages show."""

logger = logging.getLogger(__name__)


def stages_of(pipeline: Pipeline, verb: str | None) -> list[str]:
    """List the stages to accept the code of: that of a verb, or all that made artifacts which are there.

    Raises:
        UserError: There is no such verb, or its artifacts do not tell what code made them; they are made in seconds.
    """
    telling = dict.fromkeys(kind.made_by for kind in kinds().values() if "out" in kind.outputs)
    if verb is None:
        return [stage for stage in telling if _codes(pipeline, stage)]
    if (stage := verb.replace("-", "_")) not in telling:
        raise UserError(f"{verb!r}: is no verb whose artifacts tell what code made them; {accepted(telling, verb)}")
    return [stage]


def run(pipeline: Pipeline, stage: str, reason: str, prefix: str) -> None:
    """Have today's code of a stage stand for the code that its artifacts were made with.

    Neither engine then runs it again for its code. What is recorded is part of the project, for all its params files.

    Args:
        pipeline: The jobs whose artifacts tell which code that was.
        stage: One of `stages_of`.
        reason: Why it computes the same, in words.
        prefix: The first digits of the digest of that code, where artifacts were made with several.

    Raises:
        UserError: There is no artifact of the stage, or they were made with the code of several digests and `prefix`
            names none or several of them.
    """
    found = _codes(pipeline, stage)
    if not found:
        raise UserError(f"{pipeline.root}: holds no artifact that {stage!r} made, so there is no code to stand for")
    if all(code == today for code, today in found):
        print(f"{stage}: nothing to accept; all of its {found.total()} artifacts are of today's code")
        return
    # A stage has several digests today if its jobs name several rows of a registry: samplers, say.
    older: dict[str, list[str]] = {}
    for code, today in found:
        if code != today and code.startswith(prefix):
            older.setdefault(today, []).append(code)
    if not older or any(len(codes) > 1 for codes in older.values()):
        told = ", ".join(f"{code[:SHORT]} ({count})" for (code, today), count in found.items() if code != today)
        raise UserError(f"{stage}: artifacts were made with code {told}; name one by --code PREFIX, given {prefix!r}")
    record = read_accepted()
    for today, (code,) in older.items():
        record.setdefault(stage, {})[today] = {"as": code, "on": date.today().isoformat(), "reason": reason}
        count = found[code, today]
        logger.info("accepted: today's code of %s, %s, stands for %s, of %d artifacts", stage, today, code, count)
    with new_file(ACCEPTED) as path:
        write_json(path, record)


def _codes(pipeline: Pipeline, stage: str) -> Counter[tuple[str, str]]:
    """The codes of record that the artifacts of a stage were made with, and would be today, and of how many."""
    found = Counter[tuple[str, str]]()
    # Of a run in shards, the whole remains.
    for job in Pipeline(pipeline.params, 1, pipeline.root).jobs.values():
        if job.stage == stage and job.out.exists():
            made_by = read_record(job.out)
            found[code_of_record(stage, made_by.code), job.code_of_record] += made_by.stage == stage
    return +found
