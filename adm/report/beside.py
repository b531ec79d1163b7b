"""Tables of runs: the paper's values beside those measured here, a row of the paper a row."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from adm.params.file import Params
from adm.params.gans import GanRunParams
from adm.params.report import is_key
from adm.params.runs import RunParams, UpsampledRunParams
from adm.report.compute import theoretical_throughput, v100_days
from adm.report.metrics import read_metrics
from adm.report.tables import HEADINGS, plain

HERE = "Here"
"""The column that names what fills a row, or says why nothing does."""

LABELS = {"group": "Group", "row": "Row"}
"""The columns that name a row, before `named` gives them the headings of their table."""

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
"""What a row of each table is."""

GROUPS = {"table_7": "Model", "table_10": "Dataset", "table_16": "Dataset", "appendix_k": "Model"}
"""What a group of rows is."""


def run_table(paper: pd.DataFrame, params: Params, sources: Sequence[str], metrics: Path) -> pd.DataFrame:
    """Tables 6, 8, 9, 15, 16: metrics of runs.

    Args:
        paper: The paper's table: `group` where it has one, `row`, and metrics.
        params: The params file.
        sources: A run, or a reason for there being none, for each row of the paper's.
        metrics: The folder of all metrics.

    Raises:
        UserError: Metrics are missing, or of a run with another section.
        ValueError: There are more or fewer sources than rows.
    """
    check_length("rows", sources, len(paper))
    table = labels(paper)
    table[HERE] = [describe(params, source) for source in sources]
    return beside_metrics(table, paper, sources, metrics, params)


def compute_table(
    paper: pd.DataFrame, params: Params, sources: Sequence[str], metrics: Path, flops: dict[str, int]
) -> pd.DataFrame:
    """Table 10: training compute of generator and classifier in V100-days, and metrics.

    Args:
        paper: The paper's table.
        params: The params file.
        sources: As in `run_table`.
        metrics: The folder of all metrics.
        flops: Forward FLOPs of each model.

    Raises:
        UserError: Metrics are missing, or of a run with another section.
        ValueError: There are more or fewer sources than rows.

    Source: Appendix B.3.
    """
    check_length("rows", sources, len(paper))
    table = labels(paper)
    table[HERE] = [describe(params, source) for source in sources]
    spent = [compute_of(params, source, flops) for source in sources]
    for number, name in enumerate(("generator", "classifier", "total")):
        printed = [days if isinstance(days, str) else plain(days) for days in paper[f"{name}_compute"]]
        table[f"{name.capitalize()} compute, paper"] = printed
        table[f"{name.capitalize()} compute, here"] = ["" if days is None else f"{days[number]:.3g}" for days in spent]
    table = beside_metrics(table, paper, sources, metrics, params)
    table["Note"] = paper["note"]
    return table


def compute_of(params: Params, source: str, flops: dict[str, int]) -> tuple[float, float, float] | None:
    """V100-days of the generator, of the classifier and of both; None where no diffusion model was trained."""
    run = params.scored.get(source)
    if isinstance(run, RunParams):
        generator = days_of(params, run.checkpoint, flops)
        classifier = days_of(params, run.classifier, flops)
    elif isinstance(run, UpsampledRunParams):
        base = params.runs[run.base]
        generator = days_of(params, run.checkpoint, flops) + days_of(params, base.checkpoint, flops)
        classifier = days_of(params, base.classifier, flops)
    else:
        return None
    return generator, classifier, generator + classifier


def days_of(params: Params, checkpoint: str, flops: dict[str, int]) -> float:
    """V100-days that a checkpoint's training takes at its model's measured, else theoretical, throughput."""
    name = params.model_of(checkpoint)
    model = params.models[name]
    if model.kind == "uniform":
        return 0.0
    measured = params.tables.table_10.images_per_v100_second.get(name)
    rate = measured or theoretical_throughput(flops[name])
    return v100_days(params.iteration_of(checkpoint), model.training.batch_size, rate)


def sweep_table(paper: pd.DataFrame, params: Params, sources: Sequence[str], metrics: Path) -> pd.DataFrame:
    """Appendix K: the gradient scales that were swept, the chosen one of each sweep marked.

    Here that is the one of the lowest FID, and none where a sweep has a single run.

    Args:
        paper: The paper's table.
        params: The params file.
        sources: As in `run_table`, but of guided runs alone.
        metrics: The folder of all metrics.

    Raises:
        UserError: Metrics are missing, or of a run with another section.
        ValueError: There are more or fewer sources than rows.

    Source: Appendix K.
    """
    check_length("rows", sources, len(paper))
    table = labels(paper)
    table["Sampler"] = paper["sampler"]
    table["Scale, paper"] = [f"{scale:g}" for scale in paper["gradient_scale"]]
    table["Chosen, paper"] = ["chosen" if chosen else "" for chosen in paper["chosen"]]
    table[HERE] = [describe(params, source) for source in sources]
    table["Scale, here"] = [f"{params.runs[source].gradient_scale:g}" if is_key(source) else "" for source in sources]
    table["FID, here"] = metrics_of(sources, metrics, params)["fid"].to_numpy()
    sweeps = table.groupby(["Group", "Sampler"], sort=False)["FID, here"]
    best = (sweeps.transform("min") == table["FID, here"]) & (sweeps.transform("count") > 1)
    table["Chosen, here"] = ["chosen" if chosen else "" for chosen in best]
    return table


def beside_metrics(
    table: pd.DataFrame, paper: pd.DataFrame, sources: Sequence[str], metrics: Path, params: Params
) -> pd.DataFrame:
    """Append each metric that the paper's table has, the paper's column and ours."""
    found = metrics_of(sources, metrics, params)
    for name in (name for name in HEADINGS if name in paper):
        table[f"{HEADINGS[name]}, paper"] = paper[name].to_numpy()
        table[f"{HEADINGS[name]}, here"] = found[name].to_numpy()
    return table


def metrics_of(sources: Sequence[str], metrics: Path, params: Params) -> pd.DataFrame:
    """Metrics of the runs among sources, a row a source; NaN where it is none."""
    runs = list(dict.fromkeys(source for source in sources if is_key(source)))
    found = read_metrics(metrics, runs, params.scored)
    return found.reindex(list(sources))


def labels(paper: pd.DataFrame) -> pd.DataFrame:
    """The columns that name the rows, under their printed headings."""
    names = [name for name in LABELS if name in paper]
    return paper[names].rename(columns=LABELS)


def named(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """A table under the headings of its own: what a row, and a group of rows, of the table `name` is."""
    return table.rename(columns={"Row": ROWS.get(name, "Row"), "Group": GROUPS.get(name, "Group")})


def check_length(name: str, sources: Sequence[str], count: int) -> None:
    """Refuse another number of sources than there are places in the paper's table.

    Args:
        name: Where the sources stand in the table's section.
        sources: The sources.
        count: Rows or columns that the paper's table has for them.

    Raises:
        ValueError: The numbers differ.
    """
    if len(sources) != count:
        raise ValueError(f"{name}: has {len(sources)} entries, but the paper's table has {count}")


def describe(params: Params, source: str) -> str:
    """What fills a row, in a few characters; a reason as it is."""
    if not is_key(source):
        return source
    run = params.scored[source]
    if isinstance(run, GanRunParams):
        return f"GAN {run.gan}, truncation {run.truncation:g}"
    if isinstance(run, UpsampledRunParams):
        return f"{params.runs[run.base].checkpoint} + {run.checkpoint}, {run.steps} steps"
    if isinstance(run, RunParams):
        steps = run.steps.removeprefix("ddim")
        return f"{run.checkpoint}, {'DDIM ' if run.sampler == 'ddim' else ''}{steps} steps"
    return run.filename
