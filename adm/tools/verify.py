"""`verify`: which artifacts of a results folder changed, or were made from other parents than those that exist."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from adm.artifacts.code import acceptances
from adm.artifacts.inventory import Artifact, check_out, find_artifacts
from adm.artifacts.soundness import Checked, Digests, Origin, check_artifacts, hash_files
from adm.artifacts.writing import new_file, write_json
from adm.errors import some
from adm.params import UserError, load
from adm.pipeline import Pipeline, kinds
from adm.progress import progress


def run(results: Path, out: Path | None) -> bool:
    """Check every artifact; print a line for each wrong one and for each stage whose code changed, and counts.

    Returns:
        Whether nothing is wrong. Other code is not wrong: the engines run such stages again by themselves. Nor is what
        no job of the params file makes, which is told.

    Raises:
        UserError: RESULTS is no results folder or holds no params file, or OUT lies in it or is a folder.
    """
    check_out(out, results)
    artifacts = find_artifacts(results)
    checked = check_artifacts(artifacts, _origins(results), _hashed(artifacts))
    for path, found in checked.items():
        if found.wrong:
            print(f"{path}: {some(found.wrong, separator='; ')}")
    for line in [*_other_code(checked), *_accepted_code(checked)]:
        print(line)
    if left_over := [path for path, found in checked.items() if found.is_left_over]:
        print(f"made by no job of the params file: {some(left_over)}")
    counts = _counts(checked)
    print(
        f"{counts['artifacts']} artifacts: {counts['sound']} sound, {counts['wrong']} wrong; "
        f"{counts['other_code']} made by other code; {counts['left_over']} left over; "
        f"{counts['unrecorded']} files of which no manifest tells"
    )
    if out is not None:
        report = {"counts": counts, "artifacts": {path: asdict(found) for path, found in checked.items()}}
        with new_file(out) as partial:
            write_json(partial, report)
    return not counts["wrong"]


def _origins(results: Path) -> dict[str, Origin]:
    """The job of each artifact of a results folder, wherever that lies, by the params file that is kept with it."""
    file = results / kinds()["resolve"].outputs["params"]
    if not file.is_file():
        raise UserError(
            f"{file}: does not exist; it tells what the artifacts are made from, and `adm resolve` writes it"
        )
    origins = {}
    # Of a run in shards, the whole remains.
    for job in Pipeline(load(file), 1, results).jobs.values():
        inputs = {name.rstrip("/"): _within(path, results) for name, path in job.inputs.items()}
        for name, path in job.outputs.items():
            log_of = _within(job.out, results) if name == "log" else None
            origins[_within(path, results)] = Origin(job.stage, job.code, inputs, log_of)
    return origins


def _within(path: Path, results: Path) -> str:
    return path.relative_to(results).as_posix()


def _hashed(artifacts: Mapping[str, Artifact]) -> Digests:
    files = [file for artifact in artifacts.values() for file in artifact.files.values()]
    # A file that disappears meanwhile gets size 0; the error comes when it is read.
    sizes = {file: file.stat().st_size if file.is_file() else 0 for file in files}
    digests = {}
    with progress(total=sum(sizes.values()), unit="B") as bar:
        for file, digest in hash_files(files):
            digests[file] = digest
            bar.update(sizes[file])
    return digests


def _other_code(checked: Mapping[str, Checked]) -> list[str]:
    made: defaultdict[str, list[Checked]] = defaultdict(list)
    for found in checked.values():
        if found.is_of_other_code:
            made[str(found.stage)].append(found)
    lines = []
    for stage, of_stage in sorted(made.items()):
        python = ", or by the same under another Python" if any(one.may_be_of_other_python for one in of_stage) else ""
        lines.append(f"made by other code of {stage!r} than today's{python}: {len(of_stage)} artifacts")
    return lines


def _accepted_code(checked: Mapping[str, Checked]) -> list[str]:
    found = Counter((str(one.stage), one.code, one.today) for one in checked.values() if one.is_of_accepted_code)
    lines = []
    for (stage, code, today), count in sorted(found.items()):
        steps = [*acceptances(stage, today), *acceptances(stage, code)]
        told = "; ".join(dict.fromkeys(f"on {step['on']}, {step['reason'] or 'for no reason given'}" for step in steps))
        lines.append(f"made by code of {stage!r} that was accepted as equal to today's {told}: {count} artifacts")
    return lines


def _counts(checked: Mapping[str, Checked]) -> dict[str, int]:
    unrecorded = sum(found.stage is None and not found.wrong for found in checked.values())
    wrong = sum(bool(found.wrong) for found in checked.values())
    return {
        "artifacts": len(checked) - unrecorded,
        "sound": len(checked) - unrecorded - wrong,
        "wrong": wrong,
        "other_code": sum(found.is_of_other_code for found in checked.values()),
        "accepted_code": sum(found.is_of_accepted_code for found in checked.values()),
        "left_over": sum(found.is_left_over for found in checked.values()),
        "unrecorded": unrecorded,
    }
