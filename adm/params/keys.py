"""Checks of single keys: that they are defined, and that what they name fits what else is named."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from adm.params.models import ClassifierModelParams, DiffusionModelParams, UniformModelParams, UpsamplerModelParams

if TYPE_CHECKING:
    from adm.params.file import Params


MOST_NAMED = 12
"""Keys that a message lists; of more it names those that look like the one given."""

NetworkModelParams = DiffusionModelParams | UpsamplerModelParams | ClassifierModelParams


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


def accepted(keys: Collection[str], key: str) -> str:
    """What a message says of the keys that are accepted in the place of `key`: all, or of many the nearest."""
    if len(keys) <= MOST_NAMED:
        return f"there are {', '.join(keys) or 'none'}"
    nearest = get_close_matches(key, keys, n=3, cutoff=0.0)
    return f"of the {len(keys)} there are, nearest are {', '.join(nearest)}"


def check_same(place: str, found: str, expected: str, owner: str, what: str = "") -> None:
    """Refuse a key that is not the one that its owner has; `what` says what of the owner's it is.

    Raises:
        ValueError: Names both.
    """
    # DVC cannot follow one key to another, so some stand twice.
    if found != expected:
        raise ValueError(f"{place}: {what}{found!r} is not {expected!r}, as {owner} has")


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


def network_of(params: Params, key: str, place: str) -> NetworkModelParams:
    """The model of a key.

    Raises:
        ValueError: There is no such model, or it has no network.
    """
    check_known(params.models, key, place)
    model = params.models[key]
    if isinstance(model, UniformModelParams):
        raise ValueError(f"{place}: {key!r} is of kind 'uniform', which is not trained; take a model of another kind")
    return model


def model_of(params: Params, checkpoint: str, place: str) -> str:
    """The key of the model that a checkpoint is of.

    Raises:
        ValueError: There is no such checkpoint; names the place.
    """
    try:
        return params.model_of(checkpoint)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
