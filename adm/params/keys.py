"""Checks of single keys: they are defined, and the things that they name fit together."""

from collections.abc import Collection

from adm.errors import accepted
from adm.params.references import Ref, references
from adm.params.schema import Params


def check_known(section: Collection[str], key: str, place: str, among: str = "") -> None:
    """Refuse a key that is not in a section.

    Args:
        section: The keys that are accepted.
        key: The one found.
        place: Where it was found.
        among: The section's name, needed if the key may be defined in another section.

    Raises:
        ValueError: The key is not in the section; the message names the place, the key and what is accepted.
    """
    if key not in section:
        lacking = f"among {among}" if among else "defined"
        raise ValueError(f"{place}: {key!r} is not {lacking}; {accepted(section, key)}")


def check_references(params: Params) -> None:
    """Refuse references to what is not there.

    Raises:
        ValueError: An entry is not there, or cannot be what its field needs; the message names the place and the key.
    """
    for named in references(type(params), params):
        _check_reference(params, named.field, named.ref, named.key)


def _check_reference(params: Params, place: str, ref: Ref, key: str) -> None:
    for one in params.members(key) if ref.groups else [key]:
        check_known(getattr(params, ref.of), one, place, ref.sections)
    if ref.of == "datasets":
        check_dataset(params, key, place)
    if "samples" in ref.reads:
        check_kept(params, key, place)


def check_dataset(params: Params, key: str, place: str) -> None:
    """Refuse a dataset whose images are read at no size.

    Raises:
        ValueError: The message names the place, the key and what is accepted.
    """
    if params.datasets[key].image_size is None:
        sized = [name for name, dataset in params.datasets.items() if dataset.image_size is not None]
        raise ValueError(f"{place}: {key!r} has no image_size; name a view of it: {accepted(sized, key)}")


def check_kept(params: Params, run: str, place: str) -> None:
    """Refuse a run whose images are not kept, because the job of a curve samples it.

    Raises:
        ValueError: The message names the place, the run and its curve.
    """
    curve = params.curve_of(run)
    if curve is not None:
        raise ValueError(f"{place}: {run!r} is of curve {curve!r}, which keeps scores alone; give it no `curve`")


def check_class(place: str, number: int, num_classes: int) -> None:
    """Refuse a class number that is not below `num_classes`.

    Raises:
        ValueError: The number is too large; the message names both.
    """
    if number >= num_classes:
        raise ValueError(f"{place}: {number} is no class; there are {num_classes}, from 0 on")
