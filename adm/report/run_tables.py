"""Tables of runs: the paper's, with its values and those measured here in its rows, and the user's own.

What builds a table of the paper takes the paper's table, the sections of the params file that it rests on, the table's
own section, with as many rows as the paper's table, and the artifacts that `adm.params.needs` names. It raises a
UserError if an artifact is missing or malformed.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from adm.config.metrics import METRICS, POOLED
from adm.config.samplers import SAMPLERS, USUAL
from adm.metrics.intervals import Draws, band, block_of, draws_of, t_interval
from adm.metrics.jackknife import Jackknife, jackknife, means_without
from adm.paper import JUDGED, PAPER
from adm.params.references import NoSource, keys_in
from adm.params.runs import GanRunParams, RunParams, SamplingParams, UpsampledRunParams
from adm.params.schema import Sections
from adm.params.tables import ComputeParams, OwnTableParams, RowsParams, SweepsParams
from adm.report.compute import SECONDS_PER_DAY, V100
from adm.report.evidence import Evidence, metric_draws
from adm.report.metrics import Inputs, OverSeeds, read_metrics, read_score, trained_for, training_flops, updates_of
from adm.report.tables import DECIMALS, INTERVALS, plain, significant
from adm.sampling.studies import Likelihood, read_study

_PaperTable = RowsParams | SweepsParams | ComputeParams

HERE = "Here"
"""The column that names the run of a row, or says why there is none."""

ROWS = {
    "table_6": "Operation",
    "table_7": "Implementation",
    **dict.fromkeys(("table_8", "table_9"), "Iterations"),
    "table_10": "Model",
    **dict.fromkeys(("table_11", "table_12", "table_13", "table_14"), "Hyperparameter"),
    **dict.fromkeys(("table_15", "table_16"), "Schedule"),
}
"""Heading of the rows of each table."""

GROUPS = {"table_7": "Model", "table_10": "Dataset", "table_16": "Dataset", "appendix_k": "Model"}
"""Heading of the groups of rows of each table."""


def run_table(paper: pd.DataFrame, params: Sections, section: RowsParams, inputs: Inputs) -> pd.DataFrame:
    """Build Tables 6, 8, 9, 15 and 16: metrics of runs."""
    table = labels(paper)
    table[HERE] = _described(params, section.rows)
    return _beside(table, paper, params, section, inputs)


def compute_table(paper: pd.DataFrame, params: Sections, section: ComputeParams, inputs: Inputs) -> pd.DataFrame:
    """Build Table 10: training compute of generator and classifier in V100-days, and metrics.

    Source: Appendix B.3.
    """
    table = labels(paper)
    table[HERE] = _described(params, section.rows)
    days = {key: compute_of(params, section, key, inputs) for key in keys_in(section.rows)}
    spent = [days[source] if isinstance(source, str) else None for source in section.rows]
    for number, name in enumerate(("generator", "classifier", "total")):
        printed = [each if isinstance(each, str) else plain(each) for each in paper[f"{name}_compute"]]
        table[f"{name.capitalize()} compute, paper"] = printed
        table[f"{name.capitalize()} compute, here"] = ["" if each is None else f"{each[number]:.3g}" for each in spent]
    _beside(table, paper, params, section, inputs)
    table["Note"] = paper["note"]
    return table


def compute_of(params: Sections, section: ComputeParams, run: str, inputs: Inputs) -> tuple[float, float, float] | None:
    """Count V100-days of the generator, of the classifier and of both; None if a run is published.

    Each is trained at the measured throughput of its model, else at the one in theory.
    """
    generators, classifiers = trained_for(params, run)
    if not generators:
        return None

    def days(trained: list[str]) -> float:
        seconds = {key: flops / V100.half_flops for key, flops in training_flops(params, trained, inputs).items()}
        for model, updates in updates_of(params, trained).items():
            if rate := section.images_per_v100_second.get(model):
                seconds[model] = updates * params.models[model].training.batch_size / rate
        return sum(seconds.values()) / SECONDS_PER_DAY

    generator, classifier = days(generators), days(classifiers)
    return generator, classifier, generator + classifier


def sweep_table(paper: pd.DataFrame, params: Sections, section: SweepsParams, inputs: Inputs) -> pd.DataFrame:
    """Build Appendix K's table: the gradient scales of sweeps, with the chosen one of each sweep marked.

    The chosen one here has the lowest FID; a sweep with a single run has no chosen one.

    Source: Appendix K.
    """
    table = labels(paper)
    table["Sampler"] = paper["sampler"]
    table["Scale, paper"] = [f"{scale:g}" for scale in paper["gradient_scale"]]
    table["Chosen, paper"] = ["chosen" if chosen else "" for chosen in paper["chosen"]]
    table[HERE] = _described(params, section.rows)
    runs = [params.runs[params.members(source)[0]] if isinstance(source, str) else None for source in section.rows]
    table["Scale, here"] = ["" if run is None else f"{run.gradient_scale:g}" for run in runs]
    metrics = _metrics_of(params, section, ["fid"], inputs)
    table["FID, here"] = metrics["fid"].to_numpy()
    sweeps = table.groupby(["group", "Sampler"], sort=False)["FID, here"]
    best = (sweeps.transform("min") == table["FID, here"]) & (sweeps.transform("count") > 1)
    table["Chosen, here"] = ["chosen" if chosen else "" for chosen in best]
    table["FID, here"] = _over_seeds(metrics, "fid", metrics["fid"])
    table.attrs[INTERVALS] = _intervals(metrics, {"fid": "FID, here"})
    return table


def own_table(params: Sections, section: OwnTableParams, inputs: Inputs) -> pd.DataFrame:
    """Build a table of the user's own: metrics of runs, a row a run and a column for each metric and judge.

    ± is a standard error, and brackets hold a 95 % interval. A group of runs has the metric over seeds of training in
    its cells. The column of evaluations is empty for runs that no denoiser samples.
    """
    labels, runs = list(section.rows), list(section.rows.values())
    metrics = read_metrics(params, runs, section.metrics, inputs)
    opinions = {judge: read_metrics(params, runs, POOLED, inputs, judge) for judge in section.judges}
    table = pd.DataFrame({"Run": labels, HERE: _described(params, runs)})
    if section.evaluations:
        table["Evaluations"] = [
            str(params.evaluations_of(run).denoiser) if isinstance(params.section_of(run), SamplingParams) else ""
            for run in runs
        ]
    columns = {name: METRICS[name].label for name in section.metrics}
    for name, column in columns.items():
        table[column] = _over_seeds(metrics, name, _printed(metrics, name, section.intervals))
        for judge, opinion in opinions.items() if name in POOLED else ():
            # The I of FID and KID stands for Inception.
            label = f"{column.replace('FID', 'FD').replace('KID', 'KD')}, {judge}"
            if judge == section.published:
                paper = read_paper_table(JUDGED)
                values = paper[paper["judge"] == judge].set_index("row")[name].reindex(labels)
                table[f"{label}, published"] = [float(value) for value in values]
            table[label] = _over_seeds(opinion, name, _printed(opinion, name, section.intervals))
    table.attrs[INTERVALS] = _intervals(metrics, columns)
    return table


def read_paper_table(name: str) -> pd.DataFrame:
    """Read a table transcribed from the paper, with the paper's rows in their order.

    Args:
        name: One of `adm.paper.TABLES`.

    Returns:
        A column of numbers and empty cells is float64, with NaN for empty cells. A column of `true` and `false` is
        bool. Every other column holds strings, with "" for empty cells.
    """
    table = pd.read_csv(PAPER / f"{name}.csv", keep_default_na=False, na_values=[""])
    table = table.astype(dict.fromkeys(table.select_dtypes("int64"), "float64"))
    return table.fillna(dict.fromkeys(table.select_dtypes(["object", "string"]), ""))


def _metrics_of(params: Sections, section: _PaperTable, names: Sequence[str], inputs: Inputs) -> pd.DataFrame:
    """Return metrics of a table's rows; NaN where a row has no run."""
    metrics = read_metrics(params, keys_in(section.rows), names, inputs)
    return metrics.reindex([source if isinstance(source, str) else None for source in section.rows])


def _beside(
    table: pd.DataFrame, paper: pd.DataFrame, params: Sections, section: _PaperTable, inputs: Inputs
) -> pd.DataFrame:
    """Append two columns for each metric of the paper's table, the paper's values and ours."""
    names = [name for name in METRICS if name in paper]
    metrics = _metrics_of(params, section, names, inputs)
    for name in names:
        table[f"{METRICS[name].label}, paper"] = paper[name].to_numpy()
        table[f"{METRICS[name].label}, here"] = _over_seeds(metrics, name, metrics[name])
    table.attrs[INTERVALS] = _intervals(metrics, {name: f"{METRICS[name].label}, here" for name in names})
    return table


def _over_seeds(metrics: pd.DataFrame, name: str, cells: Iterable[Any]) -> list[Any]:
    """Put a metric over seeds of training in the place of a group's mean, unless no seed changes it."""
    groups = metrics.get(f"{name}_seeds", [None] * len(metrics))
    return [
        over if isinstance(over, OverSeeds) and over.spread else cell for over, cell in zip(groups, cells, strict=True)
    ]


def _printed(metrics: pd.DataFrame, name: str, intervals: bool = False) -> list[float] | list[str]:
    """Print a metric, "" if there are too few samples: numbers, or texts with ± or with intervals in brackets."""
    metric, low, high = METRICS[name], f"{name}_low", f"{name}_high"
    if metric.error is None and intervals and low in metrics:
        texts = ["" if pd.isna(value) else f"{value:.{DECIMALS}f}" for value in metrics[name]]
        return [
            text if pd.isna(a) else f"{text} [{a:.{DECIMALS}f}, {b:.{DECIMALS}f}]"
            for text, a, b in zip(texts, metrics[low], metrics[high], strict=True)
        ]
    if metric.digits is None:
        return [float(value) for value in metrics[name]]
    texts = [significant(value, metric.digits) for value in metrics[name]]
    if metric.error is None:
        return texts
    return [
        f"{text} ± {significant(error, 2)}" if text and not pd.isna(error) else text
        for text, error in zip(texts, metrics[metric.error], strict=True)
    ]


def _intervals(metrics: pd.DataFrame, columns: Mapping[str, str]) -> dict[str, list[str]]:
    """Print the 95 % intervals of the columns of metrics that have some, as text; "" for a cell that has none."""
    return {
        column: [
            "" if pd.isna(low) else f"95 %: {low:.3g} to {high:.3g}"
            for low, high in zip(metrics[f"{name}_low"], metrics[f"{name}_high"], strict=True)
        ]
        for name, column in columns.items()
        if f"{name}_low" in metrics
    }


def labels(paper: pd.DataFrame) -> pd.DataFrame:
    """Begin a table with the columns that label rows; ROWS and GROUPS have their headings."""
    return paper[[name for name in ("group", "row") if name in paper]].copy()


def _described(params: Sections, sources: Sequence[str | NoSource]) -> list[str]:
    """Describe the runs of rows, with their numbers of samples where these differ."""
    first = {source: params.members(source)[0] for source in sources if isinstance(source, str)}
    counts = {source: getattr(params.scored[run], "num_samples", None) for source, run in first.items()}
    if len(set(counts.values())) == 1:
        counts.clear()
    ending = {source: f", {count:,} samples" for source, count in counts.items() if count}
    return [describe(params, each) + (ending.get(each, "") if isinstance(each, str) else "") for each in sources]


def describe(params: Sections, source: str | NoSource) -> str:
    """Describe the run or the group of runs of a row in short, or say why there is none."""
    if isinstance(source, NoSource):
        return source.none
    if source in params.groups:
        first, *_ = runs = params.groups[source]
        ending = first.removeprefix(source) if first.startswith(f"{source}-") else ""
        return f"{describe(params, first).replace(ending, '')}, {len(runs)} seeds"
    run = params.scored[source]
    if isinstance(run, GanRunParams):
        return f"GAN {run.gan}, truncation {run.truncation:g}"
    if isinstance(run, UpsampledRunParams):
        return f"{params.runs[run.base].checkpoint} + {run.checkpoint}, {_way(run)}"
    if isinstance(run, RunParams):
        words = [run.checkpoint, _way(run)]
        if run.gradient_scale:
            words.append(f"gradient scale {run.gradient_scale:g}")
        if run.denoiser_scale is not None:
            words.append(f"guided by {run.guide.checkpoint if run.guide else 'itself'}, scale {run.denoiser_scale:g}")
        if run.guidance_interval is not None:
            noise = params.models[params.model_of(run.checkpoint)].noise
            words.append(f"{run.guided_steps(noise)} guided")
        return ", ".join(words)
    return run.filename


def _way(run: SamplingParams) -> str:
    """Name the sampler with its own fields, and the number of steps."""
    sampler = SAMPLERS[run.sampler]
    given = run.values()
    own = ", ".join(f"{name} {given[name]}" for name in sampler.fields if name in given)
    words = ["" if run.sampler == USUAL else sampler.label, f"({own})" if own else "", printed_steps(run.steps)]
    return " ".join(filter(None, words))


def printed_steps(steps: str) -> str:
    """Print a schedule of sampling steps in words."""
    for form, spacing in {"ddim": "", "logsnr": " even in log-SNR", "rho": " at rho 7"}.items():
        if steps.startswith(form):
            return f"{steps.removeprefix(form)} steps{spacing}"
    return f"{steps} steps"


def when_to_stop(params: Sections, section: OwnTableParams, inputs: Inputs, table: pd.DataFrame) -> str:
    """Say which of a table's checkpoints may be the best and which copy; add the column of their losses to it."""
    runs = list(section.rows.values())
    at = [f"{params.iteration_of(params.checkpoint_of(run)):,} iterations" for run in runs]
    evidence = Evidence(scores={run: read_score(params, run, inputs) for run in runs})
    kid = metric_draws("kid_held_out", runs, evidence)
    of_kid = [evidence.scores[run].jackknife["kid_held_out"] for run in runs]
    losses = [read_study(Likelihood, inputs["studies"][key]).losses for key in section.losses]
    spread = [jackknife(float(each.mean()), means_without(each), len(each)) for each in losses]
    loss = draws_of([block_of(spread)])[0]
    errors = [each.std(ddof=1) / len(each) ** 0.5 for each in losses]
    table["Loss, held out"] = [f"{each.mean():.3g} ± {error:.1g}" for each, error in zip(losses, errors, strict=True)]
    share, error = np.array([[evidence.scores[run].metrics[key] for run in runs] for key in ("copies", "copies_error")])
    first = first_copying(share, error)
    memorising = f"The model memorises, from {at[first]} on" if first < len(at) else "No memorising is found"
    return (
        f"{_best('KID against held-out images', np.stack([kid[run] for run in runs], axis=1), of_kid, at)} "
        f"{_best('loss of held-out images', loss, spread, at)} "
        f"{memorising}: {share[-1]:.2g} ± {error[-1]:.2g} of the last samples are copies, beyond what real images have."
    )


def first_copying(share: NDArray[np.float64], error: NDArray[np.float64]) -> int:
    """Return the first of the last checkpoints that copy, by shares of copies (C,) and their errors; C if none does.

    The last checkpoint is tested, then the one before it, until one has no copies. So with 95 % no checkpoint is said
    to copy that does not, however many there are. 2.33 errors instead of 1.64 make this true of simulated features in
    few dimensions, too, where the errors are too small.

    Source: Maurer, Hothorn & Lehmacher (1995), for tests in a fixed order.
    """
    return int(max(np.flatnonzero(share <= 2.33 * error), default=-1)) + 1


def _best(what: str, draws: Draws, spreads: Sequence[Jackknife], at: Sequence[str]) -> str:
    """Say where a number is least, and may be: clearly above no other, by a band over all differences of draws."""
    above, below = np.nonzero(~np.eye(len(at), dtype=bool))
    best, worse = int(draws[0].argmin()), above[band(draws[:, above] - draws[:, below])[0] > 0]
    others = ", ".join(each for place, each in enumerate(at) if place not in (best, *worse)) or "no other"
    # Not of the draws, which have the degrees of freedom of differences.
    least, low, high = t_interval(block_of([spreads[best]]))
    return f"Best by {what}: {at[best]} ({least:.3g}, 95 %: {low:.3g} to {high:.3g}); {others} may be as good."
