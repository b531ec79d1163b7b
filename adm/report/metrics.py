"""The metrics of a sweep's runs as a data frame."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adm.artifacts.reading import read_json
from adm.params.errors import UserError

METRICS = ("fid", "sfid", "inception_score", "precision", "recall")


def read_metrics(folder: Path, runs: Sequence[str]) -> pd.DataFrame:
    """Read `<run>.json` of each run.

    Returns:
        A row a run, in order, indexed by its key, with the columns METRICS.

    Raises:
        UserError: A file is missing, or is of no metrics.
    """
    rows = []
    for run in runs:
        path = folder / f"{run}.json"
        metrics = read_json(path).get("metrics")
        if not isinstance(metrics, dict) or any(not isinstance(metrics.get(name), float) for name in METRICS):
            raise UserError(f"{path}: holds no metrics; it needs the numbers {', '.join(METRICS)}")
        rows.append([metrics[name] for name in METRICS])
    return pd.DataFrame(rows, index=list(runs), columns=list(METRICS))
