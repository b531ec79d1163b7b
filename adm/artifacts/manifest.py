"""The manifest: what made an artifact, and the hash of every file in it."""

import hashlib
import json
import platform
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from adm.artifacts.code import code_of_record
from adm.artifacts.seal import check_seal, read_sealed_json, write_sealed_json
from adm.config.base import plain
from adm.errors import UserError
from adm.machine import cpp_compiler, vector_instructions
from adm.progress import progress

MANIFEST = "manifest.json"

DEFAULT = "its default"
"""Words of a message for a value that is not written down."""

EVERY = slice(None)
"""All files of an artifact, in a manifest's order."""


class Manifest(BaseModel):
    """The record of what made an artifact.

    `params` are the sections of the params file that the stage read, `inputs` the identities of the artifacts it
    read, `facts` what it measured, `files` the sha256 of each file it wrote.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: str
    params: dict[str, Any]
    inputs: dict[str, str]
    code: str
    versions: dict[str, str]
    facts: dict[str, Any]
    files: dict[str, str]


MadeBy = dict[str, Any]
"""The origin of an artifact: a manifest without facts and files."""


def provenance(
    stage: str, code: str, sections: Mapping[str, Any], inputs: Mapping[str, Path], libraries: Iterable[str]
) -> MadeBy:
    """Tell what makes an artifact.

    Args:
        stage: The verb.
        code: The digest of its code.
        sections: What it reads of the params file, by name: sections, mappings of them, or plain values.
        inputs: The artifacts that it reads: folders with a manifest, or files.
        libraries: Distributions whose version can change the result, beside those that sections name.
    """
    named = (name for section in sections.values() for name in getattr(section, "libraries", ()))
    versions = library_versions({*libraries, *named})
    if any(getattr(section, "compiled", False) for section in sections.values()):
        versions |= {"compiler": cpp_compiler() or "none", "instructions": vector_instructions()}
    return {
        "stage": stage,
        "params": plain(sections),
        "inputs": {name: identity(path) for name, path in inputs.items()},
        "code": code,
        "versions": versions,
    }


def library_versions(libraries: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of the distributions whose version can change a result."""
    return {"python": platform.python_version(), **{name: _installed(name) for name in sorted(libraries)}}


def write_manifest(folder: Path, made_by: Mapping[str, Any], facts: Mapping[str, Any] | None = None) -> None:
    """Write the manifest of a finished folder; `made_by` comes from `provenance`."""
    write_sealed_json(folder / MANIFEST, {**made_by, "facts": dict(facts or {}), "files": file_hashes(folder)})


def file_hashes(folder: Path) -> dict[str, str]:
    """Return the sha256 of each file of a folder but its manifest, by its name."""
    return {path.name: sha256(path) for path in sorted(folder.iterdir()) if path.name != MANIFEST}


def read_record(path: Path) -> Manifest:
    """Read what made an artifact: the manifest of a folder, or what a file of JSON tells of itself.

    Raises:
        UserError: It is missing, is not what was written, or does not tell what made it.
    """
    file = path / MANIFEST if path.is_dir() else path
    content = read_sealed_json(file)
    with validated(file, "does not tell what made it"):
        if file.name == MANIFEST:
            return Manifest.model_validate(content)
        if not isinstance(content.get("made_by"), dict):
            raise UserError(f"{file}: does not tell what made it: it holds no object `made_by`")
        return Manifest.model_validate({"facts": {}, "files": {}, **content["made_by"]})


@contextmanager
def validated(place: Path, trouble: str) -> Iterator[None]:
    """Name, in one line, the first field of a file that is not what its class declares."""
    try:
        yield
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{place}: {trouble}: {'.'.join(map(str, first['loc']))}: {first['msg'].lower()}") from error


def differing(found: Mapping[str, Any], wanted: Mapping[str, Any], within: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield the keys of a section that have other values, with both; one that a side lacks has its default there."""
    for key in [*wanted, *(key for key in found if key not in wanted)]:
        made_with, value = (values.get(key, DEFAULT) for values in (found, wanted))
        if isinstance(value, dict) and isinstance(made_with, dict):
            yield from differing(made_with, value, f"{within}{key}.")
        elif made_with != value:
            yield f"{within}{key}", made_with, value


def read_manifest(folder: Path, *stages: str, checked: slice = EVERY) -> Manifest:
    """Read an artifact's manifest and check that its files are those that were written.

    Of these only the `checked` ones are, in the manifest's order, where other processes check the rest. With `stages`,
    one of them must have made it.

    Raises:
        UserError: There is no such artifact, another stage made it, or a file is missing or has other content.
    """
    manifest = read_record(folder)
    if stages and manifest.stage not in stages:
        raise UserError(f"{folder}: was made by {manifest.stage!r}, not by {' or '.join(map(repr, stages))}")
    for mistake in damage(folder, manifest, checked):
        raise UserError(mistake)
    return manifest


def damage(folder: Path, manifest: Manifest, checked: slice = EVERY) -> Iterator[str]:
    """Tell of each file of an artifact that is missing, or has another content than when it was written."""
    files = list(manifest.files.items())[checked]
    for name, digest in progress(files, unit="file", name=f"checking {folder.name}"):
        if not (folder / name).is_file():
            yield f"{folder / name}: does not exist, though the manifest names it"
        elif sha256(folder / name) != digest:
            yield f"{folder / name}: is not the file that was written: its sha256 differs from the manifest's"


def identity(path: Path) -> str:
    """Return the hash that identifies an artifact: of its manifest, or of the single file.

    Raises:
        UserError: There is no such artifact, or its manifest is not what was written.
    """
    if path.is_dir():
        path = path / MANIFEST
        check_seal(path)
    if not path.is_file():
        raise UserError(f"{path}: does not exist")
    return sha256(path)


def fingerprint(made_by: Mapping[str, Any]) -> str:
    """Return a short hash of what makes an artifact, or of its params alone; it differs if the result may differ.

    Accepted code counts as the code that it stands for, so that unfinished work goes on.
    """
    if {"stage", "code"} <= set(made_by):
        made_by = {**made_by, "code": code_of_record(made_by["stage"], made_by["code"])}
    return hashlib.sha256(json.dumps(made_by).encode()).hexdigest()[:16]


def sha256(path: Path) -> str:
    """Return the sha256 of a file's bytes, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _installed(distribution: str) -> str:
    if distribution == "tensorflow":
        # Linux machines may have the CPU build, whose distribution has another name.
        with suppress(PackageNotFoundError):
            return version("tensorflow-cpu")
    return version(distribution)
