"""Metrics with their intervals, sizes, training times and timesteps, read from the artifacts of other stages."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
from adm.metrics.blocks import Block, t_interval
from adm.metrics.jackknife import Jackknife
from adm.params.judges import judged
from adm.params.runs import SamplingParams
from adm.params.schedules import SearchParams
from adm.params.schema import Sections
from adm.sampling.found_schedules import SearchedSchedule, VariationalSchedules
from adm.sampling.studies import read_study
from adm.sampling.timesteps import timesteps_of

Inputs = Mapping[str, Mapping[str, Path]]
"""Paths of artifacts by kind and key, as `adm.params.needs.Needs` names them."""


@dataclass(frozen=True)
class OverSeeds:
    """A metric over seeds of training.

    Attributes:
        mean: The mean over seeds.
        spread: The standard deviation between seeds, with n - 1 in its denominator.
        half_width: Half the width of the mean's 95 % interval.
        seeds: n, the number of seeds.
        digits: Significant digits in print; None prints as many decimals as for other numbers.
    """

    mean: float
    spread: float
    half_width: float
    seeds: int
    digits: int | None = None


def over_seeds(values: NDArray[np.float64], digits: int | None = None) -> OverSeeds:
    """Average a metric over seeds, with the interval of its mean: mean ± t(n-1; 0.975) s / sqrt(n).

    Each seed of training has a run of its own, whose samples are drawn apart. So the variance between runs holds both
    what another training and what another draw of samples would change, and the interval covers both.

    Args:
        values: (n,), one for each seed, n >= 2.
        digits: Of what is returned.

    Raises:
        ValueError: There is only one value.

    Source: Student (1908).
    """
    found = t_interval(Block(values[:, None]))
    # The mean of equal numbers may differ from them in its last bit.
    spread = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return OverSeeds(found.estimate, spread, found.high - found.estimate, len(values), digits)


def read_metrics(
    params: Sections, runs: Sequence[str], names: Iterable[str], inputs: Inputs, judge: str | None = None
) -> pd.DataFrame:
    """Read metrics of runs with their standard errors and 95 % intervals; of a group of runs their means over seeds.

    The interval of a run is over draws of its samples, that of a group over seeds of training.

    Args:
        params: The sections that it rests on.
        runs: Keys of runs and of groups.
        names: Keys of METRICS.
        inputs: Artifacts that include the "metrics" of every run, or what is "judged" of it.
        judge: The extractor that scored the runs; None is that of their reference.

    Returns:
        One row for each key, in order, indexed by it. Of each metric one column, NaN if a run has too few samples, and
        one of its error if it has one; `<metric>_low` and `<metric>_high` if a run has an interval of it, and
        `<metric>_seeds` with `OverSeeds` if there is a group.

    Raises:
        UserError: A file is missing, has other metrics, or belongs to a run with another section.
    """
    names = list(names)
    rows = [_row(params, key, names, inputs, judge) for key in runs]
    always = [column for name in names for column in _columns(name)]
    further = [f"{name}_{end}" for name in names for end in ("low", "high", "seeds")]
    columns = always + [column for column in further if any(column in row for row in rows)]
    return pd.DataFrame(rows, index=list(runs), columns=columns).astype(dict.fromkeys(always, float))


def _columns(name: str) -> list[str]:
    """The names of a metric's numbers in the file of a score: its own, and that of its error."""
    return [name, error] if (error := METRICS[name].error) else [name]


def _row(params: Sections, key: str, names: Sequence[str], inputs: Inputs, judge: str | None) -> dict[str, Any]:
    """A row of `read_metrics`."""
    is_group, contents = key in params.groups, []
    for run in params.members(key):
        path = inputs["metrics"][run] if judge is None else inputs["judged"][judged(run, judge)]
        content = read_score(path, run, params.scored[run], None if judge is None else params.graphs[judge])
        found = content["metrics"]
        if missing := [column for name in names for column in _columns(name) if column not in found]:
            raise UserError(f"{path}: holds no metric {missing[0]!r}; it has {', '.join(found)}")
        contents.append(content)
    row: dict[str, Any] = {}
    for name in names:
        values = {column: np.array([one["metrics"][column] for one in contents], float) for column in _columns(name)}
        row |= {column: each.mean() for column, each in values.items()}
        spread = contents[0]["jackknife"].get(name)
        if is_group and not np.isnan(values[name]).any():
            over = row[f"{name}_seeds"] = over_seeds(values[name], METRICS[name].digits)
            low, high = over.mean - over.half_width, over.mean + over.half_width
        elif spread and not is_group:
            _, low, high = t_interval(block_of([spread]))
        else:
            continue
        if spread:
            row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def block_of(spreads: Sequence[Jackknife]) -> Block:
    """The block of one metric of several runs whose samples are paired, or of several metrics of a run."""
    most = max(len(spread.pairs) for spread in spreads)
    pairs = [spread.pairs if len(spread.pairs) else np.zeros(most) for spread in spreads]
    return Block(np.stack([spread.values for spread in spreads], axis=1), np.stack(pairs, axis=1))


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


def visited_timesteps(params: Sections, run: str, inputs: Inputs) -> list[int]:
    """List the timesteps that a run, or the first run of a group, visits.

    Args:
        params: The params file.
        run: A run of a diffusion model.
        inputs: Artifacts that include, among "studies", the schedule of the run.

    Raises:
        UserError: The schedule is missing, or was found with other sections than the params file has now.
    """
    section = params.section_of(run)
    assert isinstance(section, SamplingParams), run
    folder = None if section.schedule is None else inputs["studies"][section.schedule]
    if section.schedule is not None and folder is not None:
        schedule = params.schedules[section.schedule]
        if isinstance(schedule, SearchParams):
            read_study(SearchedSchedule, folder, schedule=schedule, run=params.runs[schedule.run])
        else:
            read_study(VariationalSchedules, folder, schedule=schedule)
    return timesteps_of(section, params.models[params.model_of(section.checkpoint)].noise, folder)
