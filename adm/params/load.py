"""Reading, checking and writing of params files."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from adm.config.respacing import STEPS_PATTERN
from adm.errors import UserError
from adm.params import checks, report_checks
from adm.params.expansion import write_out
from adm.params.reading import read
from adm.params.schema import Params, params_class

OF_KINDS = frozenset({"models", "tables", "figures", "claims"})
"""Sections whose entries are of several kinds."""

HEADER = "# Written out by `adm resolve`: every default filled in, every base and sweep written out.\n"


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
    try:
        written = write_out(data, f"results/{Path(path).resolve().parent.name}")
        params = params_class().model_validate(written)
        checks.check(params)
        report_checks.check_report(params)
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
            cure = f"YAML reads it as text; write {written.split()[0]}"
    return f"{place}: {error['input']!r} is not accepted: {cure}"
