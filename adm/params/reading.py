"""Reading of params files: safe YAML, and bases, of which a file says what differs."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from adm.errors import UserError, brief

BASE, SWEEP, VARIANTS = "base", "sweep", "variants"
"""Keys of a params file that a written-out file does not have."""

WHOLE = frozenset({"tables", "figures", "claims"})
"""Sections whose entries replace a base's entries as a whole; entries of other sections change single values."""

Raw = dict[str, Any]


class Source(NamedTuple):
    """The content of a params file, merged with its bases, and the paths of these files, its own first."""

    data: Any
    files: list[Path]


def read(path: Path | str, below: Sequence[Path] = ()) -> Source:
    """Read a params file and its bases, without checking them.

    Args:
        path: The file.
        below: The files that it is a base of.

    Raises:
        UserError: A file is missing or no YAML, or a base is based on itself.
    """
    path = Path(path)
    try:
        data = read_yaml(path)
    except OSError as error:
        place = f"{below[-1]}: base: " if below else ""
        raise UserError(f"{place}{path}: cannot be read: {error.strerror}") from error
    if not isinstance(data, dict) or BASE not in data:
        return Source(data, [path])
    base = data.pop(BASE)
    if not isinstance(base, str) or not base or "\0" in base:
        raise UserError(f"{path}: base: {base!r} is not accepted; write the path of a params file")
    where, chain = path.parent / base, [*below, path]
    if os.path.normpath(where) in map(os.path.normpath, chain):
        raise UserError(f"{path}: base: {base!r} is a circle, {' -> '.join(map(str, [*chain, where]))}")
    inherited = read(where, chain)
    if not isinstance(inherited.data, dict):
        raise UserError(f"{path}: base: {where} holds no sections")
    kept = {name: section for name, section in inherited.data.items() if name != "paths"}
    return Source(_changed(kept, data, ()), [path, *inherited.files])


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    Raises:
        OSError: The file cannot be opened.
        UserError: It is no YAML in UTF-8, or gives a key twice.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError:
        raise
    except yaml.YAMLError as error:
        mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
        line = "" if mark is None else f"line {mark.line + 1}: "
        raise UserError(f"{path}: {line}is no YAML: {' '.join(str(problem or error).split())}") from error
    except Exception as error:  # not UTF-8; for invalid dates and tags PyYAML raises nearly any exception
        raise UserError(f"{path}: is no YAML: {brief(error)}") from error


def merged(base: Raw, changes: Raw) -> Raw:
    """Apply changes to a mapping, also within the mappings that it holds; null is a value, and a sweep is whole."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict) and key != SWEEP
        result[key] = merged(result[key], value) if both else value
    return result


def _changed(base: Raw, changes: Raw, place: tuple[str, ...]) -> Raw:
    """Apply changes to a base; null removes a section, an entry of one, or a variant of an entry."""
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


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader that also refuses repeated keys, which PyYAML accepts."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    problem = f"key {key.value!r} stands twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
                seen.add(key.value)
        return super().construct_mapping(node, deep)
