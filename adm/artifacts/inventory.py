"""The artifacts of a results folder, folders with a manifest and single files, and whether their bytes are intact."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from adm.artifacts.manifest import MANIFEST, Manifest, read_record, sha256
from adm.errors import UserError, some

SCRATCH = frozenset({"jobs", "logs", "params.yaml", "report.html", "shards", "work"})
"""What a results folder holds beside results: triggers of jobs, logs, params, the page of all, and unfinished work."""

LOOSE = frozenset({".csv", ".html", ".json", ".md", ".pdf", ".png", ".svg", ".tex"})
"""Endings of single files. A folder that holds any other file is an artifact and needs a manifest."""


@dataclass(frozen=True)
class Artifact:
    """A folder with a manifest, or a single file.

    Attributes:
        path: Where it is.
        is_folder: Whether it is a folder.
        files: All files in the folder but hidden ones, by relative path; a single file has itself, by its name.
    """

    path: Path
    is_folder: bool
    files: Mapping[str, Path]

    @property
    def tells(self) -> bool:
        """Whether it should tell what made it: tables, figures and logs do not."""
        return self.is_folder or self.path.suffix == ".json"


def find_artifacts(results: Path) -> dict[str, Artifact]:
    """Find all artifacts of a results folder by relative path, sorted; hidden files and `SCRATCH` are left out."""
    entries = [entry for entry in _entries(results) if entry.name not in SCRATCH]
    artifacts = [artifact for entry in entries for artifact in _artifacts(entry)]
    return {artifact.path.relative_to(results).as_posix(): artifact for artifact in artifacts}


def read_record_of(artifact: Artifact) -> Manifest:
    """Read what made an artifact that tells it.

    Raises:
        UserError: Its record is missing, or is not what was written.
    """
    if artifact.is_folder and MANIFEST not in artifact.files:
        raise UserError(f"{artifact.path / MANIFEST}: does not exist; the folder holds {some(list(artifact.files))}")
    return read_record(artifact.path)


def damage(artifact: Artifact, record: Manifest) -> list[str]:
    """List the files of a folder that are not those that its manifest names, or have other bytes."""
    wrong = []
    for name in dict.fromkeys([*record.files, *artifact.files]) if artifact.is_folder else ():
        if name == MANIFEST:
            continue
        if name not in artifact.files:
            wrong.append(f"{name}: does not exist, though the manifest names it")
        elif name not in record.files:
            wrong.append(f"{name}: is not in the manifest")
        else:
            try:
                if sha256(artifact.files[name]) != record.files[name]:
                    wrong.append(f"{name}: is not the file that was written: its sha256 differs from the manifest's")
            except OSError as error:
                wrong.append(f"{name}: cannot be read: {error.strerror or error}")
    return wrong


def _artifacts(path: Path) -> Iterator[Artifact]:
    if not path.is_dir():
        yield Artifact(path, False, {path.name: path})
        return
    entries = _entries(path)
    if any(entry.name == MANIFEST or entry.suffix not in LOOSE for entry in entries if not entry.is_dir()):
        files = {file.relative_to(path).as_posix(): file for file in sorted(path.rglob("*")) if not file.is_dir()}
        yield Artifact(path, True, {name: file for name, file in files.items() if not file.name.startswith(".")})
        return
    for entry in entries:
        yield from _artifacts(entry)


def _entries(folder: Path) -> list[Path]:
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))
