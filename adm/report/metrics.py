"""Metrics, their intervals and training times as data frames, read from the artifacts of other stages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adm.artifacts.manifest import dump_sections, fingerprint, require_params
from adm.artifacts.seal import read_made_with, read_sealed_json
from adm.config.base import Config
from adm.config.metrics import METRICS
from adm.errors import UserError
from adm.metrics.blocks import block_of, t_interval
from adm.metrics.jackknife import Jackknife
from adm.params.judges import judged
from adm.params.schema import Sections
from adm.report.seeds import OverSeeds, over_seeds

Inputs = Mapping[str, Mapping[str, Path]]
"""Paths of artifacts by kind and key, as `adm.params.needs.Needs` names them."""


def read_metrics(
    params: Sections, runs: Sequence[str], names: Iterable[str], inputs: Inputs, judge: str | None = None
) -> pd.DataFrame:
    """Read metrics of runs, with their standard errors if they have one; of a group of runs their means.

    Args:
        params: The sections that it rests on.
        runs: Keys of runs and of groups.
        names: Keys of METRICS.
        inputs: Artifacts that include the "metrics" of every run, or what is "judged" of it.
        judge: The extractor that scored the runs; None is that of their reference.

    Returns:
        One row for each key, in order, indexed by it; one column for each metric or error, NaN if a run has too few
        samples.

    Raises:
        UserError: A file is missing, has other metrics, or belongs to a run with another section.
    """
    columns = [name for metric in names for name in (metric, METRICS[metric].error) if name is not None]
    rows = [_values(params, key, columns, inputs, judge).mean(axis=0) for key in runs]
    return pd.DataFrame(rows, index=list(runs), columns=columns, dtype=float)


def read_over_seeds(
    params: Sections, group: str, names: Sequence[str], inputs: Inputs, judge: str | None = None
) -> dict[str, OverSeeds]:
    """Read metrics of a group of runs, by their names; one is left out if a run has too few samples for it.

    Raises:
        UserError: `read_metrics` would raise it.
    """
    values = _values(params, group, names, inputs, judge)
    return {
        name: over_seeds(column) for name, column in zip(names, values.T, strict=True) if not np.isnan(column).any()
    }


def _values(
    params: Sections, key: str, columns: Sequence[str], inputs: Inputs, judge: str | None
) -> NDArray[np.float64]:
    """Metrics of a run or of the runs of a group, a run a row."""
    rows = []
    for run in params.members(key):
        path, content = _score_of(params, run, inputs, judge)
        found = content["metrics"]
        if missing := [name for name in columns if name not in found]:
            raise UserError(f"{path}: holds no metric {missing[0]!r}; it has {', '.join(found)}")
        rows.append([found[name] for name in columns])
    return np.array(rows, dtype=float)


def _score_of(params: Sections, run: str, inputs: Inputs, judge: str | None) -> tuple[Path, dict[str, Any]]:
    path = inputs["metrics"][run] if judge is None else inputs["judged"][judged(run, judge)]
    return path, read_score(path, run, params.scored[run], None if judge is None else params.graphs[judge])


def read_intervals(params: Sections, runs: Sequence[str], inputs: Inputs, judge: str | None = None) -> pd.DataFrame:
    """Read the 95 % intervals of metrics of runs, over draws of their samples; for the arguments see `read_metrics`.

    The intervals of a group of runs are of the mean over seeds, of the same metrics.

    Returns:
        One row for each key, indexed by it, with the columns `<metric>_low` and `<metric>_high`.

    Raises:
        UserError: `read_metrics` would raise it.
    """
    rows = []
    for key in runs:
        _, content = _score_of(params, params.members(key)[0], inputs, judge)
        bounds: dict[str, float] = {}
        if key in params.groups:
            for name, over in read_over_seeds(params, key, list(content["jackknife"]), inputs, judge).items():
                bounds |= {f"{name}_low": over.mean - over.half_width, f"{name}_high": over.mean + over.half_width}
        else:
            for name, spread in content["jackknife"].items():
                bounds[f"{name}_low"], bounds[f"{name}_high"] = t_interval(block_of([spread]))[1:]
        rows.append(bounds)
    return pd.DataFrame(rows, index=list(runs))


def read_score(path: Path, run: str, section: Config, extractor: Config | None = None) -> dict[str, Any]:
    """Read a run's score: "metrics", the "jackknife" of those with intervals, and "num_samples".

    Args:
        path: What `evaluate` or `judge` wrote of the run, or `curve` of several.
        run: The key of the run.
        section: Its section.
        extractor: The section of the judge; None for the score by the extractor of the run's reference.

    Raises:
        UserError: The file is missing, holds no score, or belongs to a run or a judge with another section.
    """
    content = read_sealed_json(path)
    if isinstance(curve := content.get("runs"), dict):
        content = curve.get(run, {})
    metrics, spreads, count = (content.get(name) for name in ("metrics", "jackknife", "num_samples"))
    if not isinstance(metrics, dict) or not isinstance(spreads, dict) or not isinstance(count, int):
        raise UserError(f"{path}: holds no scored run; it needs metrics, jackknife and num_samples")
    for name, value in metrics.items():
        if value is not None:
            require_numbers(f"{path}: metrics.{name}", [value])
    content = {**content, "jackknife": {name: _jackknife(path, name, found) for name, found in spreads.items()}}
    for name in spreads:
        if metrics.get(name) is None:
            raise UserError(f"{path}: jackknife.{name}: has no metric of the same name")
    require_params(path, content.get("made_by"), {"run": section, **({"extractor": extractor} if extractor else {})})
    if extractor is None and "extractor" in content["made_by"]["params"]:
        raise UserError(f"{path}: is the score by a judge, not by the extractor of the run's reference")
    return content


def _jackknife(path: Path, name: str, found: Any) -> Jackknife:
    """A metric's jackknife from a score file."""
    parts = {part: found.get(part) if isinstance(found, dict) else None for part in ("values", "pairs")}
    for part, numbers in parts.items():
        if part == "values" or numbers != []:
            require_numbers(f"{path}: jackknife.{name}.{part}", numbers)
    values, pairs = (np.array(numbers, np.float64) for numbers in parts.values())
    if len(values) < 2 or len(pairs) not in (0, len(values) * (len(values) - 1) // 2):
        raise UserError(f"{path}: jackknife.{name}: {len(values)} values and {len(pairs)} pairs do not fit together")
    return Jackknife(values, pairs)


def require_numbers(place: str, numbers: Any) -> None:
    """Refuse everything but a list of finite numbers.

    Raises:
        UserError: It is none; names the place and what was found.
    """
    if not isinstance(numbers, list) or not numbers:
        raise UserError(
            f"{place}: {'is missing' if numbers is None else 'holds no numbers'}; a list of numbers is needed"
        )
    for number in numbers:
        if isinstance(number, bool) or not isinstance(number, int | float) or not math.isfinite(number):
            raise UserError(f"{place}: {number!r} is not accepted; it needs a finite number")


def read_sizes(params: Sections, models: Iterable[str], name: str, inputs: Inputs) -> dict[str, int]:
    """Read `parameters` or `forward_flops` of models, by their keys.

    Raises:
        UserError: A model is missing from the file, or its section differs.
    """
    found: dict[str, int] = {}
    wanted = list(dict.fromkeys(models))
    if not wanted:
        return found
    path = inputs["sizes"][""]
    content = read_sealed_json(path)
    for model in wanted:
        try:
            found[model] = content["models"][model][name]
        except (KeyError, TypeError) as error:
            raise UserError(f"{path}: does not hold the {name} of model {model!r}") from error
        require_numbers(f"{path}: models.{model}.{name}", [found[model]])
        require_params(path, content.get("made_by"), {model: params.models[model]})
    return found


def read_training_seconds(params: Sections, checkpoint: str, inputs: Inputs) -> float:
    """Seconds that a checkpoint took to train, from the logs of all segments that lead to it.

    Raises:
        UserError: A log is missing, was changed, has no seconds, or belongs to a segment with other sections.
    """
    total = 0.0
    for segment in params.chain(checkpoint):
        path = inputs["training"][segment]
        if read_made_with(path) != fingerprint(dump_sections(params.sections_of_segment(segment))):
            raise UserError(f"{path}: was made with another segment or model than the params file has for {segment!r}")
        try:
            total += float(pd.read_csv(path, comment="#")["seconds"].iloc[-1])
        except (ValueError, KeyError, IndexError) as error:
            raise UserError(f"{path}: is no training log with a column 'seconds'") from error
    return total
