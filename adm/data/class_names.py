"""Names of classes: those of ImageNet for networks of 1000 classes, and numbers for all others."""

from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from adm.errors import UserError

FILE = Path(__file__).with_name("imagenet_classes.txt")
"""A name a line, in the order of the classes' numbers; lines that begin with # are comments."""


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes. Source: see the head of FILE."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def class_name(number: int, num_classes: int) -> str:
    """Return the name of a class, or its number where classes have no names."""
    names = imagenet_names()
    return names[number] if num_classes == len(names) else str(number)


def class_number(given: int | str | np.integer[Any], num_classes: int) -> int:
    """Look up the number of a class by itself or, of ImageNet's classes, by its name in any case.

    Raises:
        UserError: There is no such class, or two have that name; the message names the nearest names.
    """
    try:
        number = int(given)
    except ValueError:
        if num_classes == len(imagenet_names()):
            return _number_of(str(given))
        number = -1
    if not 0 <= number < num_classes:
        raise UserError(f"class {given}: is none; the network has {num_classes}, from 0 to {num_classes - 1}")
    return number


def _number_of(given: str) -> int:
    names = [name.casefold() for name in imagenet_names()]
    found = [number for number, name in enumerate(names) if name == given.casefold().strip()]
    if len(found) == 1:
        return found[0]
    if found:
        raise UserError(f"class {given!r}: is the name of {' and '.join(map(str, found))}; give the number")
    near = get_close_matches(given.casefold(), names, n=3, cutoff=0.0)
    hints = ", ".join(f"{imagenet_names()[number]} ({number})" for number in map(names.index, near))
    raise UserError(f"class {given!r}: is no name of ImageNet's; nearest are {hints}")
