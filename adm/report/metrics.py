"""Metrics with their intervals, sizes, training times and timesteps, read from the artifacts of other stages."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adm.artifacts.reading import readable
from adm.artifacts.seal import check_seal, read_sealed_json
from adm.config.metrics import METRICS
from adm.errors import UserError, brief
from adm.metrics.batches import JUDGE
from adm.metrics.intervals import Block, metric_interval, t_interval
from adm.metrics.jackknife import Jackknife
from adm.params.runs import GanRunParams, RunParams, UpsampledRunParams
from adm.params.schema import Sections
from adm.params.section import judged, parts
from adm.report.compute import PASSES

Inputs = Mapping[str, Mapping[str, Path]]
"""Paths of artifacts by kind and key, as `adm.params.needs.Needs` names them."""

SKILLED = 0.75
"""The way from chance to certainty that an extractor has to go, lest its distances are rough."""

IMPLEMENTATIONS = ("naive", "optimised")
"""The implementations of a measured throughput; each has its "images_per_second", of all repetitions."""


@dataclass(frozen=True)
class Score:
    """A run's metrics, the jackknife of those with intervals, and the samples behind them.

    Sample i of runs with the same `seed` has the same noise and class; a published run has None.
    """

    metrics: Mapping[str, float | None]
    jackknife: Mapping[str, Jackknife]
    num_samples: int
    seed: int | None = None


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

    Source: Student (1908).
    """
    mean = t_interval(Block(values[:, None]))
    # The mean of equal numbers may differ from them in its last bit.
    spread = float(values.std(ddof=1)) if np.ptp(values) else 0.0
    return OverSeeds(mean.estimate, spread, mean.high - mean.estimate, len(values), digits)


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
        UserError: A file is missing, or has other metrics.
    """
    names = list(names)
    rows = [_row(params, key, names, inputs, judge) for key in runs]
    always = [column for name in names for column in _columns(name)]
    frame = pd.DataFrame(rows, index=list(runs), columns=None if rows else always)
    return frame.astype(dict.fromkeys(always, float))


def _columns(name: str) -> list[str]:
    """Name a metric's numbers in the file of a score: its own, and that of its error."""
    return [name, error] if (error := METRICS[name].error) else [name]


def _row(params: Sections, key: str, names: Sequence[str], inputs: Inputs, judge: str | None) -> dict[str, Any]:
    is_group = key in params.groups
    keys = [judged(run, judge) if judge else run for run in params.members(key)]
    scores = [read_score(params, one, inputs) for one in keys]
    for one, score in zip(keys, scores, strict=True):
        if missing := [column for name in names for column in _columns(name) if column not in score.metrics]:
            path = inputs["judged" if judge else "metrics"][one]
            raise UserError(f"{path}: holds no metric {missing[0]!r}; it has {', '.join(score.metrics)}")
    row: dict[str, Any] = {}
    for name in names:
        values = {column: np.array([one.metrics[column] for one in scores], float) for column in _columns(name)}
        row |= {column: each.mean() for column, each in values.items()}
        spread = scores[0].jackknife.get(name)
        if is_group and not np.isnan(values[name]).any():
            over = row[f"{name}_seeds"] = over_seeds(values[name], METRICS[name].digits)
            low, high = over.mean - over.half_width, over.mean + over.half_width
        elif spread and not is_group:
            _, low, high = metric_interval(name, spread, scores[0].num_samples)
        else:
            continue
        if spread:
            row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def read_score(params: Sections, key: str, inputs: Inputs) -> Score:
    """Read the score of a run.

    Args:
        params: The sections that it rests on.
        key: The key of the run, or RUN@JUDGE for its score by a judge.
        inputs: Artifacts that include its "metrics", or what is "judged" of it: what `evaluate` or `judge` wrote of the
            run, or `curve` of several.

    Raises:
        UserError: The file is missing, or holds no score.
    """
    run, judge = parts(key)
    path = inputs["judged" if judge else "metrics"][key]
    contents = _contents(path)
    score = _score(path, contents.get("", contents.get(run, {})))
    return replace(score, seed=getattr(params.scored[run], "seed", None))


def read_scores(path: Path) -> dict[str, Score]:
    """Read the runs of a file of scores, without their seeds: one, whose key is the file's name, or those of a curve.

    Raises:
        UserError: The file is missing, or holds no score.
    """
    return {run or path.stem: _score(path, one) for run, one in _contents(path).items()}


def _contents(path: Path) -> dict[str, Any]:
    """Read the scores of a file by run: of those of a curve, or of one alone, whose name is ""."""
    content = read_sealed_json(path)
    contents: dict[str, Any] = content.get("runs", {"": content})
    return contents


def _score(path: Path, content: Mapping[str, Any]) -> Score:
    try:
        return Score(
            metrics={name: None if value is None else float(value) for name, value in content["metrics"].items()},
            jackknife={
                name: Jackknife(*(np.array(spread[part], float) for part in ("values", "pairs")))
                for name, spread in content["jackknife"].items()
            },
            num_samples=content["num_samples"],
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: holds no scored run as this version writes it ({brief(error)})") from error


def words_on_judge(inputs: Inputs) -> str:
    """Say how well the extractor behind scores does its own task, and what its distances tell; "" if it is published.

    The scores are the "metrics" of every run that is shown.
    """
    judges = {tuple(score[JUDGE].values()) for score in _shown(inputs) if JUDGE in score}
    words = []
    for accuracy, chance, tells in sorted(judges):
        what = "the class" if tells == "classes" else "the rotation"
        roughly = ", and roughly" if (accuracy - chance) / (1 - chance) < SKILLED else ""
        words.append(
            f"The extractor behind these scores was trained here and tells {what} of {accuracy:.0%} of held-out images "
            f"(chance: {chance:.0%}), so they compare with each other alone{roughly}."
        )
    return " ".join(words)


def words_on_samples(inputs: Inputs) -> str:
    """Say of how many samples the "metrics" of the runs that are shown are; "" if there are none."""
    if not (counts := sorted({score["num_samples"] for score in _shown(inputs)})):
        return ""
    return (
        f"Scores are of {' to '.join(f'{count:,}' for count in dict.fromkeys((counts[0], counts[-1])))} samples a run."
    )


def _shown(inputs: Inputs) -> list[dict[str, Any]]:
    paths = dict.fromkeys(inputs.get("metrics", {}).values())
    return [score for path in paths for score in _contents(path).values()]


def read_sizes(models: Iterable[str], name: str, inputs: Inputs) -> dict[str, int]:
    """Read `parameters` or `forward_flops` of models, or `training_flops` of GANs, by their keys.

    Raises:
        UserError: One of them is missing from the file.
    """
    if not (wanted := list(dict.fromkeys(models))):
        return {}
    content = read_sealed_json(path := inputs["sizes"][""])
    with readable(path, f"does not hold the {name} of each {'GAN' if name == 'training_flops' else 'model'}"):
        sizes = content["gans" if name == "training_flops" else "models"]
        return {model: sizes[model][name] for model in wanted}


def trained_for(params: Sections, run: str) -> tuple[list[str], list[str]]:
    """List the checkpoints of diffusion models, or the GAN, and those of classifiers that a run samples with.

    Those of a group are its first run's: seeds do not change what training costs.
    A run of gradient scale zero needs no classifier.
    """
    section = params.section_of(run)
    if isinstance(section, UpsampledRunParams):
        generators, classifiers = trained_for(params, section.base)
        return [section.checkpoint, *generators], classifiers
    if isinstance(section, GanRunParams):
        return [section.gan], []
    if not isinstance(section, RunParams):
        return [], []
    guide = [section.guide.checkpoint] if section.guide else []
    return [section.checkpoint, *guide], [section.classifier] if section.gradient_scale and section.classifier else []


def updates_of(params: Sections, trained: Sequence[str]) -> dict[str, int]:
    """Count the updates of each model that led to checkpoints, those that led to several once; GANs are left out."""
    updates: dict[str, int] = {}
    waiting = [key for key in trained if key in params.checkpoints]
    while waiting:
        model = params.model_of(point := waiting.pop(0))
        updates[model] = max(updates.get(model, 0), params.iteration_of(point))
        start = getattr(params.models[model], "start", None)
        waiting += [start.checkpoint] if start else []
    return updates


def training_flops(params: Sections, trained: Sequence[str], inputs: Inputs) -> dict[str, int]:
    """Count the operations of GANs, and of each model's updates that led to checkpoints.

    Raises:
        UserError: `read_sizes` raises it.
    """
    flops = {**read_sizes([key for key in trained if key not in params.checkpoints], "training_flops", inputs)}
    updates = updates_of(params, trained)
    for model, forward in read_sizes(updates, "forward_flops", inputs).items():
        flops[model] = PASSES * forward * params.models[model].training.batch_size * updates[model]
    return flops


def read_log(path: Path) -> pd.DataFrame:
    """Read the log of a segment, each row the means since the row before.

    Raises:
        UserError: It is not what was written.
    """
    check_seal(path)
    return pd.read_csv(path, comment="#")


def read_training_seconds(params: Sections, checkpoint: str, inputs: Inputs) -> float:
    """Sum up the seconds that a checkpoint took to train, from the logs of all segments that lead to it.

    Raises:
        UserError: A log is missing, or was changed.
    """
    logs = (read_log(inputs["training"][segment]) for segment in params.chain(checkpoint))
    return sum(float(log["seconds"].iloc[-1]) for log in logs)
