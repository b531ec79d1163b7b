"""Safe reading of YAML: aliases cannot multiply a small file, and numbers cannot exceed 64 bits."""

from pathlib import Path
from typing import Any

import yaml

from adm.errors import UserError, brief

MOST_CHARACTERS = 1 << 20
"""Largest number of characters of all keys and values; those of an alias count at each of its uses."""

DEEPEST = 64
"""Largest number of levels of nesting, also through aliases."""

LONGEST_NUMBER = 100
"""Largest number of characters of an integer, because PyYAML needs quadratic time for sexagesimal ones."""


def read_yaml(path: Path) -> Any:
    """Read a YAML file of plain values.

    Raises:
        OSError: The file cannot be opened.
        UserError: It is no YAML in UTF-8, gives a key twice, or holds a whole number beyond 64 bits, more than
            `DEEPEST` levels, or aliases that make it larger than `MOST_CHARACTERS`.
    """
    try:
        return yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a SafeLoader
    except OSError:
        raise
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no YAML: byte {error.start} is not UTF-8") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: {_told(error)}") from error
    except Exception as error:  # for invalid dates and tags, PyYAML raises nearly any exception
        raise UserError(f"{path}: is no YAML: {brief(error)}") from error


def _told(error: yaml.YAMLError) -> str:
    """The line that is no YAML, and why."""
    mark, problem = getattr(error, "problem_mark", None), getattr(error, "problem", None)
    line = "" if mark is None else f"line {mark.line + 1}: "
    return f"{line}is no YAML: {' '.join(str(problem or error).split())}"


class _Loader(yaml.CSafeLoader):
    """PyYAML's safe loader that also refuses repeated keys, which PyYAML accepts silently, and absurd sizes."""

    def construct_document(self, node: yaml.Node) -> Any:
        self._measure(node, {})
        return super().construct_document(node)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value != "<<":
                if key.value in seen:
                    raise _refusal(f"key {key.value!r} stands twice", key)
                seen.add(key.value)
        return super().construct_mapping(node, deep)

    def construct_whole_number(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > LONGEST_NUMBER or abs(number := int(self.construct_yaml_int(node))) >= 1 << 63:
            raise _refusal(f"the whole number {node.value[:20]}... is beyond 64 bits", node)
        return number

    def _measure(self, node: yaml.Node, known: dict[int, tuple[int, int]], level: int = 0) -> tuple[int, int]:
        """Characters and levels of a node with aliases written out; (0, 0) marks a node that is being measured."""
        if level > DEEPEST:
            raise _refusal(f"is nested deeper than {DEEPEST} levels", node)
        if id(node) in known:
            if known[id(node)] == (0, 0):
                raise _refusal("an alias stands for what it is part of", node)
            return known[id(node)]
        known[id(node)] = (0, 0)
        if isinstance(node, yaml.MappingNode):
            parts = [self._measure(part, known, level + 1) for pair in node.value for part in pair]
        elif isinstance(node, yaml.SequenceNode):
            parts = [self._measure(part, known, level + 1) for part in node.value]
        else:
            parts = [(len(str(node.value)), 0)]
        size, depth = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        if size > MOST_CHARACTERS:
            raise _refusal(f"holds more than {MOST_CHARACTERS} characters, its aliases written out", node)
        if depth > DEEPEST:
            raise _refusal(f"is nested deeper than {DEEPEST} levels", node)
        known[id(node)] = (size, depth)
        return size, depth


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_whole_number)


def _refusal(problem: str, node: yaml.Node) -> yaml.YAMLError:
    return yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
