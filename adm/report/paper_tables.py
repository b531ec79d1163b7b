"""The paper's tables of runs: its values and those measured here, in the paper's rows."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from adm.config.metrics import METRICS
from adm.config.samplers import SAMPLERS, USUAL
from adm.params.references import NoSource, keys_in
from adm.params.runs import GanRunParams, RunParams, SamplingParams, UpsampledRunParams
from adm.params.schema import Sections
from adm.params.tables import ComputeParams, RowsParams, SweepsParams
from adm.report.compute import theoretical_throughput, v100_days
from adm.report.metrics import Inputs, read_metrics, read_over_seeds, read_sizes
from adm.report.tables import plain

Rows = Sequence[str | NoSource]

SPACINGS = {"ddim": "", "logsnr": " even in log-SNR", "rho": " at rho 7"}
"""How spacings that have a name are printed."""

HERE = "Here"
"""The column that names the run of a row, or says why there is none."""

METRIC_COLUMNS = "columns of metrics"
"""The attribute of a table that tells its columns of measured metrics, by the metrics."""

LABELS = {"group": "Group", "row": "Row"}
"""Names of the columns that label rows; `named` replaces them by the headings of their table."""

ROWS = {
    "table_6": "Operation",
    "table_7": "Implementation",
    "table_8": "Iterations",
    "table_9": "Iterations",
    "table_10": "Model",
    "table_11": "Hyperparameter",
    "table_12": "Hyperparameter",
    "table_13": "Hyperparameter",
    "table_14": "Hyperparameter",
    "table_15": "Schedule",
    "table_16": "Schedule",
}
"""Heading of the rows of each table."""

GROUPS = {"table_7": "Model", "table_10": "Dataset", "table_16": "Dataset", "appendix_k": "Model"}
"""Heading of the groups of rows of each table."""


def run_table(paper: pd.DataFrame, params: Sections, shown: RowsParams, inputs: Inputs) -> pd.DataFrame:
    """Tables 6, 8, 9, 15, 16: metrics of runs.

    Args:
        paper: The paper's table: `group` if it has groups, `row`, and metrics.
        params: The sections that it rests on.
        shown: The table's section, with as many rows as the paper's table.
        inputs: Artifacts that include the "metrics" of its runs.

    Raises:
        UserError: Metrics are missing, or belong to a run with another section.
    """
    table = labels(paper)
    table[HERE] = [describe(params, source) for source in shown.rows]
    return beside_metrics(table, paper, params, shown.rows, inputs)


def compute_table(paper: pd.DataFrame, params: Sections, shown: ComputeParams, inputs: Inputs) -> pd.DataFrame:
    """Table 10: training compute of generator and classifier in V100-days, and metrics.

    Args:
        paper: The paper's table.
        params: The sections that it rests on.
        shown: The table's section, with as many rows as the paper's table.
        inputs: Artifacts that include the "metrics" of its runs, and "sizes".

    Raises:
        UserError: Metrics or sizes are missing, or belong to a run or model with another section.

    Source: Appendix B.3.
    """
    checkpoints = {key: trained_for(params, key) for key in keys_in(shown.rows)}
    models = [params.model_of(point) for pair in checkpoints.values() for points in pair for point in points]
    flops = read_sizes(params, models, "forward_flops", inputs)
    table = labels(paper)
    table[HERE] = [describe(params, source) for source in shown.rows]
    days = {key: compute_of(params, shown, key, flops) for key in checkpoints}
    spent = [days[source] if isinstance(source, str) else None for source in shown.rows]
    for number, name in enumerate(("generator", "classifier", "total")):
        printed = [each if isinstance(each, str) else plain(each) for each in paper[f"{name}_compute"]]
        table[f"{name.capitalize()} compute, paper"] = printed
        table[f"{name.capitalize()} compute, here"] = ["" if each is None else f"{each[number]:.3g}" for each in spent]
    table = beside_metrics(table, paper, params, shown.rows, inputs)
    table["Note"] = paper["note"]
    return table


def trained_for(params: Sections, run: str) -> tuple[list[str], list[str]]:
    """The checkpoints of diffusion models and of classifiers that a run samples with; a GAN's run has none.

    Those of a group are its first run's: seeds do not change what training costs.
    A run of gradient scale zero needs no classifier.
    """
    section = params.section_of(run)
    if isinstance(section, UpsampledRunParams):
        generators, classifiers = trained_for(params, section.base)
        return [section.checkpoint, *generators], classifiers
    if not isinstance(section, RunParams):
        return [], []
    classifier = section.classifier if section.gradient_scale else None
    generators = [section.checkpoint]
    guide = section.guide
    # An earlier checkpoint of the same model takes no training beside the later one's.
    if guide is not None and params.model_of(guide.checkpoint) != params.model_of(section.checkpoint):
        generators.append(guide.checkpoint)
    return generators, [] if classifier is None else [classifier]


def compute_of(
    params: Sections, shown: ComputeParams, run: str, flops: dict[str, int]
) -> tuple[float, float, float] | None:
    """V100-days of the generator, of the classifier and of both; None if no diffusion model was trained."""
    generators, classifiers = trained_for(params, run)
    if not generators:
        return None
    generator, classifier = (
        sum(days_of(params, shown, checkpoint, flops) for checkpoint in checkpoints)
        for checkpoints in (generators, classifiers)
    )
    return generator, classifier, generator + classifier


def days_of(params: Sections, shown: ComputeParams, checkpoint: str, flops: dict[str, int]) -> float:
    """V100-days of a checkpoint's training, at the measured throughput of its model or else at the theoretical one."""
    name = params.model_of(checkpoint)
    rate = shown.images_per_v100_second.get(name) or theoretical_throughput(flops[name])
    training = params.models[name].training
    return v100_days(params.iteration_of(checkpoint), training.batch_size, rate)


def sweep_table(paper: pd.DataFrame, params: Sections, shown: SweepsParams, inputs: Inputs) -> pd.DataFrame:
    """Appendix K: the gradient scales of sweeps, with the chosen one of each sweep marked.

    The chosen one here has the lowest FID; a sweep with a single run has no chosen one.

    Args:
        paper: The paper's table.
        params: The sections that it rests on.
        shown: The table's section, with as many rows as the paper's table; all runs are guided.
        inputs: Artifacts that include the "metrics" of its runs.

    Raises:
        UserError: Metrics are missing, or belong to a run with another section.

    Source: Appendix K.
    """
    table = labels(paper)
    table["Sampler"] = paper["sampler"]
    table["Scale, paper"] = [f"{scale:g}" for scale in paper["gradient_scale"]]
    table["Chosen, paper"] = ["chosen" if chosen else "" for chosen in paper["chosen"]]
    table[HERE] = [describe(params, source) for source in shown.rows]
    runs = [params.runs[params.members(source)[0]] if isinstance(source, str) else None for source in shown.rows]
    table["Scale, here"] = ["" if run is None else f"{run.gradient_scale:g}" for run in runs]
    table["FID, here"] = metrics_of(params, shown.rows, ["fid"], inputs)["fid"].to_numpy()
    sweeps = table.groupby(["Group", "Sampler"], sort=False)["FID, here"]
    best = (sweeps.transform("min") == table["FID, here"]) & (sweeps.transform("count") > 1)
    table["Chosen, here"] = ["chosen" if chosen else "" for chosen in best]
    return with_seeds(table, {"fid": "FID, here"}, params, shown.rows, inputs)


def beside_metrics(
    table: pd.DataFrame, paper: pd.DataFrame, params: Sections, sources: Rows, inputs: Inputs
) -> pd.DataFrame:
    """Append two columns for each metric of the paper's table: the paper's values and ours."""
    names = [name for name in METRICS if name in paper]
    found = metrics_of(params, sources, names, inputs)
    for name in names:
        table[f"{METRICS[name].label}, paper"] = paper[name].to_numpy()
        table[f"{METRICS[name].label}, here"] = found[name].to_numpy()
    return with_seeds(table, {name: f"{METRICS[name].label}, here" for name in names}, params, sources, inputs)


def with_seeds(
    table: pd.DataFrame, columns: Mapping[str, str], params: Sections, sources: Rows, inputs: Inputs
) -> pd.DataFrame:
    """A table in which metrics over seeds of training replace the means of groups of runs, unless no seed changes them.

    It tells which columns are of which metrics, in `METRIC_COLUMNS`.

    Args:
        table: A row for each source.
        columns: The columns of metrics, by the metrics.
        params: The sections that it rests on.
        sources: Runs, groups of runs, or reasons why there is none.
        inputs: Artifacts that include the "metrics" of the groups' runs.
    """
    table.attrs[METRIC_COLUMNS] = dict(columns)
    found = {
        row: read_over_seeds(params, source, list(columns), inputs)
        for row, source in enumerate(sources)
        if isinstance(source, str) and source in params.groups
    }
    for name, column in columns.items() if found else ():
        cells: list[Any] = [
            replace(over, digits=METRICS[name].digits)
            if (over := found.get(row, {}).get(name)) and over.spread
            else cell
            for row, cell in enumerate(table[column])
        ]
        table[column] = cells
    return table


def metrics_of(params: Sections, sources: Rows, names: Sequence[str], inputs: Inputs) -> pd.DataFrame:
    """Metrics of sources, one row for each; NaN if the source is no run."""
    found = read_metrics(params, keys_in(sources), names, inputs)
    return found.reindex([source if isinstance(source, str) else None for source in sources])


def labels(paper: pd.DataFrame) -> pd.DataFrame:
    """The columns that label rows, under their printed headings."""
    names = [name for name in LABELS if name in paper]
    return paper[names].rename(columns=LABELS)


def named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table with the headings of the table `name` for its rows and groups."""
    return table.rename(columns={"Row": ROWS.get(name, "Row"), "Group": GROUPS.get(name, "Group")})


def describe(params: Sections, source: str | NoSource) -> str:
    """A short description of the run or the group of runs of a row, or the reason why there is none."""
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
        found = "" if run.schedule is None else f" of {run.schedule}"
        limited = ""
        if run.guidance_interval is not None:
            timesteps = params.models[params.model_of(run.checkpoint)].noise.timesteps
            limited = f", {run.guided_steps(timesteps)} guided"
        return f"{run.checkpoint}, {_way(run)}{found}{limited}"
    return run.filename


def _way(run: SamplingParams) -> str:
    """The sampler with its own fields, and the number of steps."""
    sampler = SAMPLERS[run.sampler]
    given = run.values()
    own = ", ".join(f"{name} {given[name]}" for name in sampler.fields if name in given)
    words = ["" if run.sampler == USUAL else sampler.label, f"({own})" if own else "", printed_steps(run.steps)]
    return " ".join(filter(None, words))


def printed_steps(steps: str) -> str:
    """A schedule of sampling steps in words."""
    for form, spacing in SPACINGS.items():
        if steps.startswith(form):
            return f"{steps.removeprefix(form)} steps{spacing}"
    return f"{steps} steps"
