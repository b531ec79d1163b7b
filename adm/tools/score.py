"""`score`: Inception Score, FID, sFID, precision and recall of any samples against any reference."""

import os
from pathlib import Path

from adm.artifacts.writing import new_file, write_json
from adm.config.data import PlacedGraphParams
from adm.errors import UserError
from adm.evaluation.measuring import measure
from adm.evaluation.scoring import Options
from adm.evaluation.second_extractor import SecondExtractor
from adm.report.score_printing import print_scores


def run(
    samples: Path,
    reference: Path,
    graph: Path,
    params: PlacedGraphParams,
    options: Options,
    second: SecondExtractor | None,
    out: Path | None,
) -> None:
    """Score samples, print the metrics, and write them with their provenance; the arguments are those of `measure`.

    Raises:
        UserError: As `measure`, or `out` cannot be written. Nothing is written.
    """
    _check_place(out)
    report = measure(samples, reference, graph, params, options, second)
    print_scores(f"{samples.name} against {reference.name}", report)
    if out is not None:
        with new_file(out) as path:
            write_json(path, report)


def _check_place(out: Path | None) -> None:
    """Check that the place can be written, before anything is computed."""
    if out is None:
        return
    if out.is_dir():
        raise UserError(f"--out {out}: is a folder; the scores are one json file")
    there = next(folder for folder in out.absolute().parents if folder.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise UserError(f"--out {out}: cannot be written; {there} is {'no folder' if there.is_file() else 'read-only'}")
