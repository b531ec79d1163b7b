"""Checks of artifacts: unchanged files, present parents, current code."""

import os
import platform
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import ValidationError

from adm.artifacts.code import code_digest, verbs
from adm.artifacts.inventory import Artifact
from adm.artifacts.manifest import MANIFEST, Manifest, fingerprint, sha256
from adm.artifacts.seal import read_made_with, read_sealed_json
from adm.params.errors import UserError

KEYS = {
    "data": "dataset",
    "dataset_features": "reference",
    "features": "run",
    "reference_features": "reference",
    "samples": "run",
}
"""Inputs whose key has another name in the section of the params file."""

OF_THE_SAME_KEY = {
    "adopt": ("source",),
    "evaluate": ("features", "samples"),
    "features": ("images",),
    "reference": ("features",),
}
"""For each stage, the inputs that have the key of the artifact itself."""

REFERENCES, DATASET_FEATURES = "references", "dataset_features"
"""The folder of references, one folder of artifacts per key, and the artifact in it that belongs to a dataset."""

SEALED, CHECKPOINTS = "training", "checkpoints"
"""The folder of training logs, which have a seal but no manifest, and the folder of the checkpoints."""

Digests = Mapping[Path, str | OSError]
"""The sha256 of each file, or the error of reading it."""


@dataclass(frozen=True)
class Checked:
    """The findings about an artifact.

    Attributes:
        stage: The stage that made it; None if unknown.
        wrong: What is wrong with it; empty if it is sound.
        is_of_other_code: Whether the code of the stage has changed. The current code may still write the same bytes.
        may_be_of_other_python: Whether another Python version may be the only cause; the digest depends on it.
        inputs: For each input, the path of the artifact in the results folder; None if it is missing.
    """

    stage: str | None = None
    wrong: list[str] = field(default_factory=list)
    is_of_other_code: bool = False
    may_be_of_other_python: bool = False
    inputs: dict[str, str | None] = field(default_factory=dict)


def hash_files(paths: Iterable[Path]) -> Iterator[tuple[Path, str | OSError]]:
    """Yield each file with its sha256 or the error of reading it, in order; one thread per core."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        yield from pool.map(_hash, paths)


def _hash(path: Path) -> tuple[Path, str | OSError]:
    try:
        return path, sha256(path)
    except OSError as error:
        return path, error


def check_artifacts(artifacts: Mapping[str, Artifact], digests: Digests) -> dict[str, Checked]:
    """Check every artifact of a results folder.

    A manifest holds the identities of its parents, not their paths, so a parent is found by its identity. If no
    artifact has it, the parent was remade, changed or removed. If one under another key has it, the parent was moved.
    A training log has no parents; its params must be those of the checkpoint of the same name. A fault of a parent is
    not a fault of its children. Tables and figures have neither manifest nor seal and are not checked.

    Args:
        artifacts: From `find_artifacts`.
        digests: Of every file of theirs.
    """
    present = _by_identity(artifacts, digests)
    return {path: _check(path, artifacts, digests, present) for path in artifacts}


def _by_identity(artifacts: Mapping[str, Artifact], digests: Digests) -> dict[str, list[str]]:
    found: defaultdict[str, list[str]] = defaultdict(list)
    for path, artifact in artifacts.items():
        for name, file in artifact.files.items():
            place = f"{path}/{name}" if artifact.is_folder and name != MANIFEST else path
            digest = digests[file]
            if isinstance(digest, str):
                found[digest].append(place)
    return dict(found)


def _check(path: str, artifacts: Mapping[str, Artifact], digests: Digests, present: Mapping[str, list[str]]) -> Checked:
    artifact = artifacts[path]
    wrong = [
        f"{name}: cannot be read: {error.strerror or error}"
        for name, file in artifact.files.items()
        if isinstance(error := digests[file], OSError)
    ]
    try:
        made_by = _made_by(artifact)
        if made_by is None and artifact.path.parent.name == SEALED:
            _check_log(artifact, artifacts.get(_checkpoint_of(path)))
    except UserError as error:
        return Checked(wrong=wrong or [str(error)])
    if made_by is None:
        return Checked(wrong=wrong)
    if artifact.is_folder:
        wrong += _wrong_files(artifact, made_by, digests)
    inputs, mistakes = _parents(path, made_by, present)
    wrong += mistakes
    if made_by.stage not in verbs():
        return Checked(made_by.stage, [*wrong, f"was made by {made_by.stage!r}, which is no stage"], inputs=inputs)
    is_other = made_by.code != code_digest(made_by.stage)
    is_other_python = is_other and _minor(made_by.versions.get("python", "")) != _minor(platform.python_version())
    return Checked(made_by.stage, wrong, is_other, is_other_python, inputs)


def _made_by(artifact: Artifact) -> Manifest | None:
    """What made an artifact; None if it is of a kind that need not record it.

    Raises:
        UserError: It must record it and does not.
    """
    if not artifact.is_folder and artifact.path.suffix != ".json":
        return None
    name = MANIFEST if artifact.is_folder else artifact.path.name
    if name not in artifact.files:
        raise UserError(f"{MANIFEST}: does not exist; the folder holds {_some(list(artifact.files))}")
    with _named_within(artifact.files[name], name):
        content = read_sealed_json(artifact.files[name])
    try:
        if artifact.is_folder:
            return Manifest.model_validate(content)
        if not isinstance(content.get("made_by"), dict):
            raise UserError(f"{name}: does not tell what made it: it holds no object `made_by`")
        return Manifest.model_validate({"facts": {}, "files": {}, **content["made_by"]})
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{name}: does not tell what made it: {place}: {first['msg'].lower()}") from error


def _checkpoint_of(log: str) -> str:
    path = PurePosixPath(log)
    return (path.parent.parent / CHECKPOINTS / path.stem).as_posix()


def _check_log(log: Artifact, checkpoint: Artifact | None) -> None:
    """Check that a training log is what was written, and of the segment that its name says.

    Raises:
        UserError: It is not.
    """
    name = log.path.name
    with _named_within(log.path, name):
        made_with = read_made_with(log.path)
    try:
        made_by = None if checkpoint is None else _made_by(checkpoint)
    except UserError:  # the check of the checkpoint reports it
        made_by = None
    if made_by is not None and fingerprint(made_by.params) != made_with:
        raise UserError(f"{name}: is of another training than {CHECKPOINTS}/{log.path.stem}: the params differ")


@contextmanager
def _named_within(path: Path, name: str) -> Iterator[None]:
    """Shorten an error that begins with a whole path; the line begins with it already."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{name}{str(error).removeprefix(str(path))}") from error


def _wrong_files(artifact: Artifact, manifest: Manifest, digests: Digests) -> list[str]:
    wrong = []
    for name, digest in manifest.files.items():
        if name not in artifact.files:
            wrong.append(f"{name}: does not exist, though the manifest names it")
        elif isinstance(found := digests[artifact.files[name]], str) and found != digest:
            wrong.append(f"{name}: is not the file that was written: its sha256 differs from the manifest's")
    extra = [name for name in artifact.files if name != MANIFEST and name not in manifest.files]
    return wrong + [f"{name}: is not in the manifest" for name in extra]


def _parents(path: str, made_by: Manifest, present: Mapping[str, list[str]]) -> tuple[dict[str, str | None], list[str]]:
    """The path of each input of the artifact at `path`, and what is wrong with them."""
    parents: dict[str, str | None] = {}
    gone, moved = [], []
    for name, identity in made_by.inputs.items():
        found, key = present.get(identity, []), _key(name, made_by.params) or _own_key(name, path, made_by.stage)
        called = name if key in (None, name) else f"{name} ({key})"
        # Two artifacts may have been swapped. Equal ones may replace each other.
        placed = [place for place in found if key is None or PurePosixPath(key).name in PurePosixPath(place).parts]
        parents[name] = next(iter(placed or found), None)
        if not found:
            gone.append(called)
        elif not placed:
            moved.append(f"input {called}: lies at {found[0]} now")
    changed = f"inputs that changed, were made anew or are gone: {_some(gone)}"
    return parents, [*([changed] if gone else []), *moved]


def _key(name: str, params: Mapping[str, Any]) -> str | None:
    """The key, or the path, that an input must have; None where only its identity is known."""
    if "/" in name:
        return name
    sections = [section for section in params.values() if isinstance(section, dict)]
    keys = [section[KEYS.get(name, name)] for section in sections if KEYS.get(name, name) in section]
    return keys[0] if keys and isinstance(keys[0], str) else None


def _own_key(name: str, path: str, stage: str) -> str | None:
    """The key of the artifact at `path`, if its input `name` must have the same; else None."""
    place = PurePosixPath(path)
    if name not in OF_THE_SAME_KEY.get(stage, ()):
        return None
    if place.parent.parent.name != REFERENCES:
        return place.stem
    return None if place.name == DATASET_FEATURES else place.parent.name


def _minor(version: str) -> list[str]:
    return version.split(".")[:2]


def _some(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
