"""The nodes of a frozen graph by name, and the order in which to compute them."""

from graphlib import CycleError, TopologicalSorter
from typing import Any

from adm.metrics.graph_contract import INPUT

PASSING = ("CheckNumerics", "Identity")
"""Operations whose output is their input."""


class GraphNodes:
    """Nodes by name, and their inputs; nodes that only pass on their input are skipped.

    Args:
        definition: a GraphDef.
    """

    def __init__(self, definition: Any) -> None:
        self._nodes = {node.name: node for node in definition.node}
        self._origins: dict[str, str] = {}

    def __getitem__(self, name: str) -> Any:
        return self._nodes[name]

    def origin(self, name: str) -> str:
        """Return the name of the node that computes the output of the named one.

        Raises:
            ValueError: there is no such node, or nodes that pass on their input form a circle.
        """
        passed: dict[str, None] = {}
        while name in self._nodes and self._nodes[name].op in PASSING and name != INPUT:
            if name in self._origins:
                name = self._origins[name]
                break
            if name in passed:
                raise ValueError(f"nodes depend on themselves: {', '.join([*passed, name])}")
            passed[name] = None
            read = _read(self._nodes[name])
            if len(read) != 1:
                raise ValueError(f"node {name} ({self._nodes[name].op}) has {len(read)} inputs, expected 1")
            name = read[0]
        if name not in self._nodes:
            raise ValueError(f"no node {name}, but another one reads it")
        self._origins.update(dict.fromkeys(passed, name))
        return name

    def inputs(self, name: str) -> list[str]:
        """Return the names of the nodes that compute the inputs of the named one; `INPUT` has none.

        Raises:
            ValueError: a node is missing, or the named one reads another output than a node's first.
        """
        return [] if name == INPUT else [self.origin(read) for read in _read(self._nodes[name])]

    def order(self, targets: list[str]) -> list[str]:
        """Return the names of the targets and of all that they depend on, each after its inputs.

        Raises:
            ValueError: `inputs` raises it, or nodes depend on themselves.
        """
        dependencies: dict[str, list[str]] = {}
        waiting = list(targets)
        while waiting:
            name = waiting.pop()
            if name not in dependencies:
                dependencies[name] = self.inputs(name)
                waiting.extend(dependencies[name])
        try:
            return list(TopologicalSorter(dependencies).static_order())
        except CycleError as error:
            raise ValueError(f"nodes depend on themselves: {', '.join(error.args[1])}") from error


def _read(node: Any) -> list[str]:
    """Return the names of the nodes whose first output a node reads; control inputs carry no value."""
    names = []
    for reference in node.input:
        if not reference.startswith("^"):
            name, _, output = reference.partition(":")
            if output not in ("", "0"):
                raise ValueError(f"node {node.name} reads {reference}, but only first outputs are computed")
            names.append(name)
    return names
