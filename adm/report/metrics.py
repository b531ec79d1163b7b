"""Metrics, their intervals and training times as data frames."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from adm.artifacts.manifest import dump_sections, fingerprint, require_params
from adm.artifacts.seal import read_made_with, read_sealed_json
from adm.params.errors import UserError
from adm.params.section import Section

METRICS = ("fid", "sfid", "inception_score", "precision", "recall")

FURTHER = (
    *("kid", "kid_standard_error"),
    *("fid_infinity", "fid_infinity_standard_error"),
    *("density", "coverage"),
)

COVERAGE = 0.95
"""Of the intervals."""


def read_metrics(folder: Path, runs: Sequence[str], scored: Mapping[str, Section]) -> pd.DataFrame:
    """Read `<run>.json` of each run.

    Args:
        folder: The folder of all metrics.
        runs: Their keys.
        scored: The section of every run that is scored, as it stands in the params file now.

    Returns:
        A row a run, in order, indexed by its key, with the columns METRICS.

    Raises:
        UserError: A file is missing, is of no metrics, or of a run with another section.
    """
    rows = [[_metrics(folder, run, scored[run])[0][name] for name in METRICS] for run in runs]
    return pd.DataFrame(rows, index=list(runs), columns=list(METRICS), dtype=float)


def read_further(folder: Path, runs: Sequence[str], scored: Mapping[str, Section]) -> pd.DataFrame:
    """Read the metrics of each run beyond METRICS; the arguments are those of `read_metrics`.

    Returns:
        A row a run, in order, indexed by its key, with the columns FURTHER; NaN where a run has too few samples.

    Raises:
        UserError: As `read_metrics`.
    """
    rows = [_content(folder, run, scored[run]).get("further", {}) for run in runs]
    return pd.DataFrame(rows, index=list(runs), columns=list(FURTHER), dtype=float)


def read_intervals(folder: Path, runs: Sequence[str], scored: Mapping[str, Section]) -> pd.DataFrame:
    """Read the bootstrap replicates of each run as intervals of 95 %; the arguments are those of `read_metrics`.

    The replicates are centred at the measured value: resampling repeats images, which raises every FID.

    Returns:
        A row a run, indexed by its key, with the columns `<metric>_low` and `<metric>_high`.

    Raises:
        UserError: As `read_metrics`.
    """
    rows = []
    for run in runs:
        metrics, bootstrap = _metrics(folder, run, scored[run])
        bounds: dict[str, float] = {}
        for name, replicates in bootstrap.items():
            spread = np.asarray(replicates, float) - np.mean(replicates)
            low, high = np.quantile(spread, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
            bounds |= {f"{name}_low": metrics[name] + low, f"{name}_high": metrics[name] + high}
        rows.append(bounds)
    return pd.DataFrame(rows, index=list(runs))


def read_training_hours(folder: Path, segments: Mapping[str, Mapping[str, Section]]) -> float:
    """Hours that the segments of a chain took to train, from their logs.

    Args:
        folder: The folder of all logs.
        segments: By the segment's key the sections that its training reads, as `train` names them.

    Raises:
        UserError: A log is missing, is not what was written, has no seconds, or is of a segment with other sections.
    """
    total = 0.0
    for segment, sections in segments.items():
        path = folder / f"{segment}.csv"
        if read_made_with(path) != fingerprint(dump_sections(sections)):
            raise UserError(f"{path}: was made with another segment or model than the params file has for {segment!r}")
        try:
            total += float(pd.read_csv(path, comment="#")["seconds"].iloc[-1])
        except (ValueError, KeyError, IndexError) as error:
            raise UserError(f"{path}: is no training log with a column 'seconds'") from error
    return total / 3600


def _metrics(folder: Path, run: str, section: Section) -> tuple[dict[str, float], dict[str, Any]]:
    content = _content(folder, run, section)
    return content["metrics"], content.get("bootstrap", {})


def _content(folder: Path, run: str, section: Section) -> dict[str, Any]:
    path = folder / f"{run}.json"
    content = read_sealed_json(path)
    metrics = content.get("metrics")
    if not isinstance(metrics, dict) or any(not isinstance(metrics.get(name), float) for name in METRICS):
        raise UserError(f"{path}: holds no metrics; it needs the numbers {', '.join(METRICS)}")
    require_params(path, content.get("made_by"), {"run": section})
    return content
