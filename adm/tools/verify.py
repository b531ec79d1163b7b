"""`verify`: which artifacts of a results folder are not what was written, or not of the parents that are there."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from adm.artifacts.inventory import Artifact, check_out, find_artifacts
from adm.artifacts.soundness import Checked, Digests, check_artifacts, hash_files
from adm.artifacts.writing import new_file, write_json
from adm.progress import progress

SHOWN = 3
"""Mistakes of an artifact that its line names."""


def run(results: Path, out: Path | None) -> bool:
    """Check every artifact; print a line for each that is wrong, one for each stage whose code changed, and counts.

    Returns:
        Whether nothing is wrong. Other code is not wrong: the engines run such stages again by themselves.

    Raises:
        UserError: RESULTS is no results folder, or OUT lies in it or is a folder.
    """
    check_out(out, results)
    artifacts = find_artifacts(results)
    checked = check_artifacts(artifacts, _hashed(artifacts))
    for path, found in checked.items():
        if found.wrong:
            print(f"{path}: {_shortened(found.wrong)}")
    for line in _other_code(checked):
        print(line)
    counts = _counts(checked)
    print(
        f"{counts['artifacts']} artifacts: {counts['sound']} sound, {counts['wrong']} wrong; "
        f"{counts['other_code']} made by other code; {counts['unrecorded']} files of which no manifest tells"
    )
    if out is not None:
        report = {"counts": counts, "artifacts": {path: asdict(found) for path, found in checked.items()}}
        with new_file(out) as partial:
            write_json(partial, report)
    return not counts["wrong"]


def _hashed(artifacts: Mapping[str, Artifact]) -> Digests:
    files = [file for artifact in artifacts.values() for file in artifact.files.values()]
    # One that vanishes meanwhile has no size, and is named when it is read.
    sizes = {file: file.stat().st_size if file.is_file() else 0 for file in files}
    digests = {}
    with progress(total=sum(sizes.values()), unit="B") as bar:
        for file, digest in hash_files(files):
            digests[file] = digest
            bar.update(sizes[file])
    return digests


def _shortened(wrong: list[str]) -> str:
    more = f"; and {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
    return "; ".join(wrong[:SHOWN]) + more


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


def _counts(checked: Mapping[str, Checked]) -> dict[str, int]:
    unrecorded = sum(found.stage is None and not found.wrong for found in checked.values())
    wrong = sum(bool(found.wrong) for found in checked.values())
    return {
        "artifacts": len(checked) - unrecorded,
        "sound": len(checked) - unrecorded - wrong,
        "wrong": wrong,
        "other_code": sum(found.is_of_other_code for found in checked.values()),
        "unrecorded": unrecorded,
    }
