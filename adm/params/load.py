"""Reading of params files, with the bases of which they say what differs; their checking and writing."""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from pydantic import ValidationError

from adm.config.schedules import STEPS_PATTERN
from adm.errors import UserError, about, accepted, brief
from adm.params import checks
from adm.params.entries import BASE, SWEEP, VARIANTS, WHOLE, Raw
from adm.params.expansion import write_out
from adm.params.schema import Params, params_class

OF_KINDS = frozenset({"models", "tables", "figures", "claims"})
"""Sections whose entries are of several kinds."""

HEADER = "# Written out by `adm resolve`: every default filled in, every base and sweep written out.\n"


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
    with about(path):
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


def load(path: Path | str) -> Params:
    """Read and check a params file.

    Raises:
        UserError: The file is missing, is no YAML or breaks the schema; the message names the key, the value and what
            is accepted.
    """
    return check(read(path).data, path)


def check(data: Any, path: Path | str) -> Params:
    """Check the content of a params file.

    Args:
        data: The content from `read`.
        path: The file, for messages. If it names no results folder, the name of its own folder is used for it.

    Raises:
        UserError: The content breaks the schema.
    """
    if not isinstance(data, dict):
        raise UserError(f"{path}: holds no sections, such as models and runs")
    try:
        written = write_out(data, f"results/{Path(path).resolve().parent.name}")
        params = params_class().model_validate(written)
        checks.check(params)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(f"{path}: {line_of(dict(first))}{more}") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}") from error
    except RecursionError as error:
        raise UserError(f"{path}: an alias stands for what it is part of, or the nesting is too deep") from error
    return params


def write(params: Params) -> str:
    """Write a written-out params file as YAML."""
    content = params.model_dump(mode="json")
    return HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def line_of(error: dict[str, Any]) -> str:
    """Say one of pydantic's errors in a line that names the key, the value and what is accepted."""
    # In sections of several kinds the kind is part of pydantic's location, but it is no key of the file.
    location = [part for part in error["loc"] if part != "[key]"]
    if location and location[0] in OF_KINDS:
        del location[2:3]
    place = ".".join(part if isinstance(part, str) else repr(part) for part in location) or "the file as a whole"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"].startswith("union_tag"):
        name, tag = str(error["ctx"]["discriminator"]).strip("'"), error["ctx"].get("tag")
        complaint = f"{tag!r} is not accepted" if tag else "is missing"
        kinds = error["ctx"].get("expected_tags") or "one of those of the schema"
        return f"{place}.{name}: {complaint}; accepted are {kinds.replace(chr(39), '')}"
    if error["type"] == "missing":
        return f"{place}: is missing"
    if error["type"] == "value_error":
        return f"{place}: {message}" if error["loc"] else message
    cure = f"{message[0].lower()}{message[1:]}"
    if error.get("ctx", {}).get("pattern") == STEPS_PATTERN:
        cure = "write 'N', 'a,b,c,...', 'ddimN', 'logsnrN' or 'rhoN'"
    if error["type"] in ("float_type", "int_type") and isinstance(error["input"], str):
        with suppress(ValueError):  # YAML 1.1 takes exponents only with a point before them and a sign
            number = float(error["input"])
            written = yaml.safe_dump(int(number) if number.is_integer() else number)
            cure = f"it is read as text; write {written.split()[0]}"
    return f"{place}: {error['input']!r} is not accepted: {cure}"


def _changed(base: Raw, changes: Raw, place: tuple[str, ...]) -> Raw:
    """Apply changes to a base; null removes a section, an entry of one, or a variant of an entry."""
    depth = 3 if place[:1] == ("published",) else 2
    removes = len(place) < depth or place[depth:] == (VARIANTS,)
    changed = dict(base)
    for key, value in changes.items():
        whole = key == SWEEP or (len(place) == 1 and place[0] in WHOLE)
        if value is None and removes and place != ("claims",):  # there null leaves out a claim that roles bring
            if key not in changed:
                name = ".".join([*place, str(key)])
                raise ValueError(f"{name}: is not there to be left out; {accepted([*base], str(key))}")
            del changed[key]
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
