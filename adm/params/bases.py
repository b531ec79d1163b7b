"""Reading of params files and their bases: a file says what differs from another one."""

from pathlib import Path
from typing import Any, NamedTuple

from adm.errors import UserError, shown
from adm.params.parsing import read_yaml

BASE, SWEEP, VARIANTS = "base", "sweep", "variants"
"""Keys of a params file that a written-out file does not have."""

WHOLE = frozenset({"tables", "figures", "claims"})
"""Sections whose entries replace a base's entries as a whole; entries of other sections change single values."""

NOT_INHERITED = "paths"
"""The section that is not inherited from a base."""

Raw = dict[str, Any]


class Source(NamedTuple):
    """The content of a params file, merged with its bases, and the paths of these files, its own first."""

    data: Any
    files: list[Path]


def read(path: Path | str) -> Source:
    """Read a params file and its bases, without checking them.

    Raises:
        UserError: A file is missing or no YAML, or a base is based on itself.
    """
    return _read(Path(path), [])


def _read(path: Path, below: list[Path]) -> Source:
    try:
        data = read_yaml(path)
    except OSError as error:
        place = f"{below[-1]}: base: " if below else ""
        raise UserError(f"{place}{path}: cannot be read: {error.strerror}") from error
    if not isinstance(data, dict) or BASE not in data:
        return Source(data, [path])
    base = data.pop(BASE)
    if not isinstance(base, str) or not base:
        raise UserError(f"{path}: base: {shown(base)} is not accepted; write the path of a params file")
    where = path.parent / base
    chain = [*below, path]
    try:
        is_circle = where.resolve() in [file.resolve() for file in chain]
    except (OSError, RuntimeError, ValueError) as error:  # circular links, or characters that no path may have
        raise UserError(f"{path}: base: {base!r} is no path: {error}") from error
    if is_circle:
        raise UserError(f"{path}: base: {base!r} is a circle, {' -> '.join(map(str, [*chain, where]))}")
    inherited = _read(where, chain)
    if not isinstance(inherited.data, dict):
        raise UserError(f"{path}: base: {where} holds no sections")
    kept = {name: section for name, section in inherited.data.items() if name != NOT_INHERITED}
    return Source(_changed(kept, data, ()), [path, *inherited.files])


def _changed(base: Raw, changes: Raw, place: tuple[str, ...]) -> Raw:
    """A base with changes applied; null removes a section, an entry of one, or a variant of an entry."""
    depth = 3 if place[:1] == ("published",) else 2
    removes = len(place) < depth or place[depth:] == (VARIANTS,)
    changed = dict(base)
    for key, value in changes.items():
        whole = key == SWEEP or (len(place) == 1 and place[0] in WHOLE)
        if value is None and removes and place != ("claims",):  # there null leaves out a claim that roles bring
            changed.pop(key, None)
        elif isinstance(value, dict) and isinstance(changed.get(key), dict) and not whole:
            changed[key] = _changed(changed[key], value, (*place, str(key)))
        else:
            changed[key] = value
    return changed


def merged(base: Raw, changes: Raw) -> Raw:
    """A mapping with changes applied, also within the mappings that it holds; null is a value, and a sweep is whole."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict) and key != SWEEP
        result[key] = merged(result[key], value) if both else value
    return result
