"""Ten common tasks with this package, azula and diffusers: how many lines each takes, `python -m benchmarks.tasks`.

Each module has a function a task, of the same name and meaning, written as its library's documentation would; the
networks are loaded before. `BY_HAND` names those whose formula the library has no part for. A function that a module
lacks is a task that its library has nothing for.
"""

import ast
from pathlib import Path

TASKS = {
    "draw_a_class": "16 of a class, by seed",
    "draw_one_again": "one again, alone",
    "solve_in_ten_steps": "another solver, 10 steps",
    "guide_by_a_classifier": "classifier guidance",
    "guide_classifier_free": "classifier-free, in an interval",
    "guide_by_a_function": "guidance by a function",
    "edit": "SDEdit",
    "inpaint": "RePaint",
    "encode_and_decode": "DDIM inversion, and back",
    "fid": "FID of a DataLoader",
}
"""What each function does."""

LIBRARIES = ("ours", "azula", "diffusers")


def lines(library: str) -> dict[str, int]:
    """Count the lines of each task: bodies without docstrings, comments and blank lines; no import is inside."""
    text = (Path(__file__).parent / f"{library}.py").read_text()
    told = text.splitlines()
    counted = {}
    for function in ast.parse(text).body:
        if isinstance(function, ast.FunctionDef):
            first = function.body[1]  # after the docstring
            body = told[first.lineno - 1 : function.end_lineno]
            counted[function.name] = sum(bool(line.strip()) and not line.strip().startswith("#") for line in body)
    return counted


def by_hand(library: str) -> set[str]:
    """Read which tasks have a formula that the library has no part for; the library need not be installed."""
    for statement in ast.parse((Path(__file__).parent / f"{library}.py").read_text()).body:
        if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "BY_HAND":
            return set(ast.literal_eval(statement.value))
    return set()


def table() -> str:
    """Write the table of lines, a row a task."""
    counted, written = ({library: read(library) for library in LIBRARIES} for read in (lines, by_hand))
    rows = [f"| {' | '.join(['task', *LIBRARIES])} |", "|---" * (1 + len(LIBRARIES)) + "|"]
    for name, what in TASKS.items():
        cells = [
            f"{counted[library][name]}{'*' if name in written[library] else ''}" if name in counted[library] else "—"
            for library in LIBRARIES
        ]
        rows.append(f"| {' | '.join([what, *cells])} |")
    return "\n".join(rows)
