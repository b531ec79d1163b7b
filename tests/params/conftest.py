"""Params files in which something is wrong: each is refused in one line that names the file and the place."""

import copy
import functools
import operator

import pytest
import yaml

from adm.params import UserError, check, load
from adm.params.load import write


def changed(data, changes):
    """A copy of a params file's content with some keys set: "a.b.c" to a value, or removed where it is `...`.

    A value "= a.b.c" is a copy of what stands there.
    """
    for path, value in changes.items():
        copied = isinstance(value, str) and value.startswith("= ")
        new = functools.reduce(operator.getitem, value[2:].split("."), data) if copied else value
        data = _with(data, path.split("."), new)
    return data


def _with(section, keys, value):
    """A copy of a section, of which all that does not change is the same object."""
    section, (first, *rest) = copy.copy(section), keys
    key = int(first) if isinstance(section, list) else first
    if value is ... and not rest:
        del section[key]
    else:
        section[key] = _with(section[key], rest, value) if rest else value
    return section


@pytest.fixture(scope="session")
def change():
    return changed


@pytest.fixture(scope="session")
def params(root):
    return yaml.safe_load(write(load(root / "tests" / "coloured.yaml")))


@pytest.fixture(scope="session")
def checked(params):
    """Check the params file under changes: `checked({"runs.scale-2.seed": 3})`."""
    return lambda changes: check(changed(params, changes), "scale.yaml")


@pytest.fixture(scope="session")
def refusal(checked):
    """The one line that refuses the params file under changes, after the file's name."""

    def message(changes):
        with pytest.raises(UserError) as error:
            checked(changes)
        line = str(error.value)
        assert line.startswith("scale.yaml: ")
        assert line.isprintable()
        return line.removeprefix("scale.yaml: ")

    return message
