"""Params files in which something is wrong: each is refused in one line that names the file and the place."""

import copy

import pytest
import yaml

from adm.params import UserError, check, load
from adm.params.load import write


def changed(data, changes):
    """A copy of a params file's content with some keys set: "a.b.c" to a value, or removed where it is `...`.

    A value "= a.b.c" is a copy of what stands there.
    """
    data = copy.deepcopy(data)
    for path, value in changes.items():
        section, last = _parent(data, path)
        if value is ...:
            del section[last]
        elif isinstance(value, str) and value.startswith("= "):
            source, key = _parent(data, value[2:])
            section[last] = copy.deepcopy(source[key])
        else:
            section[last] = value
    return data


def _parent(data, path):
    *parents, last = path.split(".")
    for key in parents:
        data = data[int(key) if isinstance(data, list) else key]
    return data, int(last) if isinstance(data, list) else last


@pytest.fixture(scope="session")
def params(root):
    """The content of the embedded scale's params file, written out."""
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
