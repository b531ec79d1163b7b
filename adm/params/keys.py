"""Checks of single keys: that they are defined, and that what they name fits what else is named."""

from collections.abc import Collection
from typing import Any

from adm.params.errors import accepted
from adm.params.schema import Params


def check_known(section: Collection[str], key: str, place: str, among: str = "") -> None:
    """Refuse a key that is not in a section.

    Args:
        section: The keys that are accepted.
        key: The one found.
        place: Where it was found.
        among: What the section is called, where a key may be defined and yet be of another section.

    Raises:
        ValueError: Names the place, the key and what is accepted.
    """
    if key not in section:
        lacking = f"among {among}" if among else "defined"
        raise ValueError(f"{place}: {key!r} is not {lacking}; {accepted(section, key)}")


def check_equal(place: str, name: str, found: Any, owner: str, expected: Any) -> None:
    """Refuse what a key names where a property of it, `name`, is not as its counterpart has it.

    Raises:
        ValueError: Names both.
    """
    if found != expected:
        raise ValueError(f"{place}: its {name} is {found!r}, but {owner} has {expected!r}")


def check_class(place: str, number: int, num_classes: int) -> None:
    """Refuse the number of a class that is not below `num_classes`.

    Raises:
        ValueError: Names both.
    """
    if number >= num_classes:
        raise ValueError(f"{place}: {number} is no class; there are {num_classes}, from 0 on")


def model_of(params: Params, checkpoint: str, place: str) -> str:
    """The key of the model that a checkpoint is of.

    Raises:
        ValueError: There is no such checkpoint; names the place.
    """
    try:
        return params.model_of(checkpoint)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
