"""Two results side by side on one page: pictures above each other, and what differs of verdicts, scores and params."""

import re
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pandas as pd
from markupsafe import Markup

from adm.artifacts.manifest import read_record
from adm.config.metrics import METRICS
from adm.report.grids import comparison
from adm.report.page.pictures import Picture, picture, pixels_of
from adm.report.sides import Held, differences_of, told, words
from adm.report.tables import html_table, rendered, title
from adm.report.verdicts import WORST_FIRST
from adm.sampling.batch import Images, read_batch

COLUMNS, RUNS = 12, 12
"""Samples of a run that are shown, and the most runs of which some are."""

Stacked = tuple[str, list[tuple[str, Picture]]]
"""A title, and pictures that stand above each other, each after its caption."""


def beside(a: Held, b: Held) -> str:
    """Write the page as HTML: what differs, what only one side has, and how much is equal.

    Results of another scale will do.

    Raises:
        UserError: A table, a picture or a batch of samples is not as this version writes it.
    """
    changes, counts = differences_of(a, b)
    params = [(change.name, told(change.a), told(change.b)) for change in changes if change.kind == "param"]
    claims = [key for key in a.claims if key in b.claims]
    ranks = {key: [WORST_FIRST.index(side.claims[key].verdict) for side in (a, b)] for key in claims}
    claims.sort(key=lambda key: (ranks[key][0] == ranks[key][1], ranks[key]))
    rows = [(a.claims[key].statement, words(a.claims[key]), words(b.claims[key])) for key in claims]
    differ = sum(one != other for one, other in ranks.values())
    return rendered(
        "beside.html.j2",
        sides=(a, b),
        counts=counts,
        samples=[*_samples(a, b)],
        figures=[*_figures(a, b)],
        claims=len(claims),
        differ=differ,
        verdicts=_table(a, b, rows[:differ], "Claims whose verdicts differ", "Claim"),
        alike=_table(a, b, rows[differ:], "Claims of one verdict", "Claim"),
        scores=_table(a, b, _scores(a, b), "Scores that differ, those apart first", "Run", "Score"),
        params=_table(a, b, params, "Params that differ; - is what the params file leaves out", "Param"),
        alone=[*_alone(a, b)],
    )


def _names(side: Held, kind: str) -> list[str]:
    """List the tables or figures of a side, or the runs that have samples."""
    folder, ending = side.folder / kind, {"tables": "*.md", "figures": "*.png", "samples": "*"}[kind]
    return [path.stem if path.is_file() else path.name for path in folder.glob(ending)]


def _both(first: Iterable[str], second: Iterable[str]) -> list[str]:
    """List what is in both, 2 before 10."""
    shared = {*first} & {*second}
    return sorted(
        shared,
        key=lambda name: [(part.isdigit(), int(part) if part.isdigit() else part) for part in re.split(r"(\d+)", name)],
    )


def _titles(a: Held, b: Held) -> tuple[str, str]:
    """Name the sides in short: "A: embedded"."""
    return f"A: {a.folder.name}", f"B: {b.folder.name}"


def _table(a: Held, b: Held, rows: Sequence[Sequence[str]], caption: str, *labels: str) -> Markup:
    """Print rows with a column for each side; nothing if there are no rows."""
    columns = [*labels, *_titles(a, b)]
    return html_table(pd.DataFrame(rows, columns=columns), f"{caption}.", [True] * len(columns)) if rows else Markup()


def _scores(a: Held, b: Held) -> list[tuple[str, str, str, str]]:
    """List scores that both have and that differ, those first whose intervals have no point in common."""
    pairs = [
        (run, METRICS[name].label if name in METRICS else name, x, b.scores[run][name])
        for run, named in a.scores.items()
        for name, x in named.items()
        if name in b.scores.get(run, {}) and x != b.scores[run][name]
    ]
    pairs.sort(key=lambda pair: not pair[2].is_apart_from(pair[3]))
    return [(run, label, str(x), str(y)) for run, label, x, y in pairs]


def _samples(a: Held, b: Held) -> Iterator[Stacked]:
    """Yield the first samples of runs that both have from the same seed, those of A above those of B."""
    shown = 0
    for run in _both(_names(a, "samples"), _names(b, "samples")):
        folders = [side.folder / "samples" / run for side in (a, b)]
        seeds = {read_record(folder).params.get("run", {}).get("seed", 0) for folder in folders}
        if len(seeds) == 1 and shown < RUNS:
            images = [read_batch(folder).images[:COLUMNS] for folder in folders]
            side = max(each.shape[1] for each in images)
            rows = {name: {"": _enlarged(each, side)} for name, each in zip(_titles(a, b), images, strict=True)}
            caption = f"The first samples of {run}, seeds from {seeds.pop()} on: above A, below B."
            shown += 1
            yield run, [(caption, pixels_of(comparison(rows, COLUMNS)))]


def _enlarged(images: Images, side: int) -> Images:
    """Enlarge images to a side, so that those of two sizes stand in the same columns."""
    places = np.arange(side) * images.shape[1] // side
    return images[:, places][:, :, places]


def _figures(a: Held, b: Held) -> Iterator[Stacked]:
    for name in _both(_names(a, "figures"), _names(b, "figures")):
        found = []
        for name_of_side, side in zip(_titles(a, b), (a, b), strict=True):
            stem = side.folder / "figures" / name
            drawn = picture({e: path for e in ("svg", "png") if (path := stem.with_suffix(f".{e}")).is_file()})
            if drawn is not None:
                caption = drawn.caption.removeprefix(f"{title(name)}: ")
                found.append((f"{name_of_side}{'. ' if caption else ''}{caption}", drawn))
        yield title(name), found


def _alone(a: Held, b: Held) -> Iterator[tuple[str, list[str]]]:
    for letter, side, other in (("A", a, b), ("B", b, a)):
        kinds = {kind: [_names(each, kind) for each in (side, other)] for kind in ("tables", "figures", "samples")}
        kinds |= {"scored runs": [[*side.scores], [*other.scores]], "claims": [[*side.claims], [*other.claims]]}
        for kind, (its, others) in kinds.items():
            if only := [name for name in _both(its, its) if name not in others]:
                yield f"{letter} alone, {kind}", only
