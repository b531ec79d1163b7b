"""Whether artifacts are what was written, of the parents that are there, and by the code of today."""

import os
import platform
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from adm.artifacts.code import code_of_record
from adm.artifacts.inventory import Artifact
from adm.artifacts.manifest import MANIFEST, Manifest, fingerprint, read_record, sha256
from adm.artifacts.seal import read_made_with
from adm.errors import UserError, some

Digests = Mapping[Path, str | OSError]
"""The sha256 of each file, or the error of reading it."""


@dataclass(frozen=True)
class Origin:
    """The job that makes an artifact, as the params file has it.

    Attributes:
        stage: What makes it.
        inputs: What it reads, by name: paths in the results folder.
        log_of: The artifact that it is the log of, if it is one.
    """

    stage: str
    code: str
    inputs: Mapping[str, str] = field(default_factory=dict)
    log_of: str | None = None


@dataclass(frozen=True)
class Checked:
    """The findings about an artifact.

    Attributes:
        stage: The stage that made it; None if unknown.
        wrong: What is wrong with it; empty if it is sound.
        code: The digest of the code that made it.
        is_of_other_code: Whether the code of the stage has changed. The current code may still write the same bytes.
        is_of_accepted_code: Whether the code has another digest, but was accepted as equal.
        may_be_of_other_python: Whether another Python version may be the only cause; the digest depends on it.
        is_left_over: Whether no job of the params file makes it.
        today: The digest of the code that would make it today.
    """

    stage: str | None = None
    wrong: list[str] = field(default_factory=list)
    code: str = ""
    is_of_other_code: bool = False
    is_of_accepted_code: bool = False
    may_be_of_other_python: bool = False
    is_left_over: bool = False
    today: str = ""


def hash_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str | OSError]]:
    """Yield each file with its sha256 or the error of reading it, in order; one thread per core."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(_hash, paths)


def _hash(path: Path) -> tuple[Path, str | OSError]:
    try:
        return path, sha256(path)
    except OSError as error:
        return path, error


def check_artifacts(
    artifacts: Mapping[str, Artifact], origins: Mapping[str, Origin], digests: Digests
) -> dict[str, Checked]:
    """Check every artifact of a results folder.

    A manifest holds the identities of its parents, and the origins tell where these parents are. A training log has no
    parents; its params must be those of its checkpoint. A fault of a parent is not a fault of its children. Tables and
    figures have neither manifest nor seal and are not checked.

    Args:
        artifacts: From `find_artifacts`.
        origins: By the path of what it makes, each job of the params file.
        digests: Of every file of the artifacts.
    """
    return {path: _check(path, artifacts, origins.get(path), digests) for path in artifacts}


def _check(path: str, artifacts: Mapping[str, Artifact], origin: Origin | None, digests: Digests) -> Checked:
    artifact, is_left_over = artifacts[path], origin is None
    wrong = [
        f"{name}: cannot be read: {error.strerror or error}"
        for name, file in artifact.files.items()
        if isinstance(error := digests[file], OSError)
    ]
    try:
        made_by = _made_by(artifact)
        if origin is not None and origin.log_of is not None:
            _check_log(artifact, origin.log_of, artifacts.get(origin.log_of))
    except UserError as error:
        return Checked(wrong=wrong or [str(error)], is_left_over=is_left_over)
    if made_by is None:
        return Checked(wrong=wrong, is_left_over=is_left_over)
    stage, code = made_by.stage, made_by.code
    if artifact.is_folder:
        wrong += _wrong_files(artifact, made_by, digests)
    if origin is None:
        # Its stage may be one that is no more.
        return Checked(stage, wrong, code, is_left_over=True)
    if stage != origin.stage:
        return Checked(stage, [*wrong, f"was made by {stage!r}, not by {origin.stage!r}"], code)
    wrong += _wrong_parents(made_by, origin, artifacts, digests)
    is_other = code_of_record(stage, code) != code_of_record(stage, origin.code)
    is_accepted = not is_other and code != origin.code
    is_other_python = is_other and _minor(made_by.versions.get("python", "")) != _minor(platform.python_version())
    return Checked(stage, wrong, code, is_other, is_accepted, is_other_python, today=origin.code)


def _made_by(artifact: Artifact) -> Manifest | None:
    """What made an artifact; None where it need not tell.

    Raises:
        UserError: It should tell and does not.
    """
    if not artifact.is_folder and artifact.path.suffix != ".json":
        return None
    if artifact.is_folder and MANIFEST not in artifact.files:
        raise UserError(f"{MANIFEST}: does not exist; the folder holds {some(list(artifact.files))}")
    file = artifact.files[MANIFEST if artifact.is_folder else artifact.path.name]
    with _named_within(file):
        return read_record(artifact.path)


def _check_log(log: Artifact, path: str, checkpoint: Artifact | None) -> None:
    """Check that a training log is what was written, and of the training that made the checkpoint at `path`.

    Raises:
        UserError: It is not.
    """
    with _named_within(log.path):
        made_with = read_made_with(log.path)
    try:
        made_by = None if checkpoint is None else _made_by(checkpoint)
    except UserError:  # which is told of the checkpoint itself
        made_by = None
    if made_by is not None and fingerprint(made_by.params) != made_with:
        raise UserError(f"{log.path.name}: is of another training than {path}: the params differ")


@contextmanager
def _named_within(file: Path) -> Iterator[None]:
    """Shorten an error that names a whole path, which stands at the head of the line already."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{file.name}{str(error).removeprefix(str(file))}") from error


def _wrong_files(artifact: Artifact, manifest: Manifest, digests: Digests) -> list[str]:
    wrong = []
    for name, digest in manifest.files.items():
        if name not in artifact.files:
            wrong.append(f"{name}: does not exist, though the manifest names it")
        elif isinstance(found := digests[artifact.files[name]], str) and found != digest:
            wrong.append(f"{name}: is not the file that was written: its sha256 differs from the manifest's")
    extra = [name for name in artifact.files if name != MANIFEST and name not in manifest.files]
    return wrong + [f"{name}: is not in the manifest" for name in extra]


def _wrong_parents(made_by: Manifest, origin: Origin, artifacts: Mapping[str, Artifact], digests: Digests) -> list[str]:
    """The inputs that are not those that the artifact was made from; each reason once, with all that it holds for."""
    wrong: dict[str, list[str]] = {}
    for name in dict.fromkeys([*origin.inputs, *made_by.inputs]):
        path = origin.inputs.get(name)
        called = name if path in (None, name) else f"{name} ({path})"
        if path is None:
            reason = "are none of the params file"
        elif name not in made_by.inputs:
            reason = "were none when it was made"
        elif (parent := artifacts.get(path)) is None:
            reason = "do not exist"
        elif _identity(parent, digests) != made_by.inputs[name]:
            reason = "are not those that it was made from"
        else:
            continue
        wrong.setdefault(reason, []).append(called)
    return [f"inputs that {reason}: {some(names)}" for reason, names in wrong.items()]


def _identity(artifact: Artifact, digests: Digests) -> str | OSError | None:
    file = artifact.files.get(MANIFEST if artifact.is_folder else artifact.path.name)
    return None if file is None else digests[file]


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]
