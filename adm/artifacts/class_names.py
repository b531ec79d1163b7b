"""Names of classes: of the folders of one's own images, ImageNet's for other networks of 1000 classes, or none."""

import unicodedata
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from operator import index
from pathlib import Path
from typing import Any

import numpy as np

from adm.artifacts.manifest import read_record
from adm.errors import UserError

FILE = Path(__file__).with_name("imagenet_classes.txt")
"""A name a line, in the order of the classes' numbers; lines that begin with # are comments."""

FACT = "class_names"
"""The fact of a manifest that keeps names in the order of the numbers: of a dataset, a network or samples."""

Names = Sequence[str] | None
"""The name of each class; None where classes have numbers alone."""


@cache
def imagenet_names() -> tuple[str, ...]:
    """Return the names of ImageNet's 1000 classes. Source: see the head of FILE."""
    lines = FILE.read_text(encoding="utf-8").splitlines()
    return tuple(line for line in lines if not line.startswith("#"))


def fact_of(names: Names) -> dict[str, list[str]]:
    """Make the fact of a manifest that keeps names; nothing without names."""
    return {FACT: [*names]} if names else {}


def kept_names(*folders: Path) -> Names:
    """Return the names that the first of these artifacts to keep any keeps."""
    return next(filter(None, (read_record(folder).facts.get(FACT) for folder in folders)), None)


def names_for_run(inputs: Mapping[str, Path]) -> Names:
    """Return the names that a run's `inputs` keep: what is sampled from, else what guides it or is upsampled."""
    return kept_names(*(inputs[name] for name in ("checkpoint", "gan", "classifier", "base") if name in inputs))


def class_number(given: int | str | np.integer[Any], num_classes: int, names: Names = None) -> int:
    """Look up the number of a class by its name, in any case, or by itself.

    A text is a name first: "007" is the class of that name, if there is one, and otherwise class 7.

    Raises:
        UserError: There is no such class, or two have that name; the message names the nearest names.
    """
    plain, asked = [_plain(name) for name in names or ()], _plain(str(given))
    numbers = [number for number, name in enumerate(plain) if name == asked and isinstance(given, str)]
    if len(numbers) == 1:
        return numbers[0]
    if numbers:
        raise UserError(f"class {given!r}: is the name of {' and '.join(map(str, numbers))}; give the number")
    try:
        number = int(given) if isinstance(given, str) else index(given)
    except (TypeError, ValueError):
        number = -1
        if names and isinstance(given, str):
            near = map(plain.index, get_close_matches(asked, plain, n=3, cutoff=0.0))
            hints = ", ".join(f"{names[one]} ({one})" for one in near)
            raise UserError(f"class {given!r}: is no name of a class; nearest are {hints}") from None
    if not 0 <= number < num_classes:
        raise UserError(f"class {given}: is none; the network has {num_classes}, from 0 to {num_classes - 1}")
    return number


def _plain(name: str) -> str:
    # Systems write the same letter with an accent as one character or as two.
    return unicodedata.normalize("NFC", name).casefold().strip()
