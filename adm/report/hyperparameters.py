"""Tables 7 and 11 to 14: throughput and hyperparameters, the paper's beside those of the params file."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd

from adm.artifacts.manifest import require_params
from adm.artifacts.seal import read_sealed_json
from adm.params.errors import UserError
from adm.params.file import Params
from adm.params.models import ClassifierModelParams, UniformModelParams
from adm.params.report import is_key
from adm.report.beside import HERE, check_length, labels
from adm.report.compute import theoretical_throughput, utilisation
from adm.report.tables import iterations, plain

ROWS_A_MODEL = ("Theoretical", "Naive", "Optimized")
"""The rows of each model in Table 7."""

IMPLEMENTATIONS = ("naive", "optimised")
"""What is measured, by its name in a measured throughput."""


def throughput_table(paper: pd.DataFrame, params: Params, sources: Sequence[str], throughput: Path) -> pd.DataFrame:
    """Table 7: images per second in training, in theory and as measured on the machine at hand.

    Args:
        paper: The paper's table, three rows a model.
        params: The params file.
        sources: A measured throughput, or a reason for there being none, for each model.
        throughput: The folder of measured throughputs.

    Raises:
        UserError: A throughput is missing, or none, or of other sections.
        ValueError: There are more or fewer sources than models.

    Source: Appendix B.1.
    """
    check_length("models", sources, len(paper) // len(ROWS_A_MODEL))
    table = labels(paper)
    rows = [row for source in sources for row in _measured(params, source, throughput)]
    ours = pd.DataFrame(rows, columns=[HERE, "Batch", "V100", "Images", "Utilisation"])
    table[HERE] = ours[HERE]
    table["Batch, paper"] = [plain(batch) for batch in paper["batch_size_per_gpu"]]
    table["Batch, here"] = ours["Batch"]
    table["Images/V100-s, paper"] = [f"{rate:.1f}" for rate in paper["images_per_v100_second"]]
    table["Images/V100-s, here, in theory"] = ours["V100"]
    table["Images/s, here"] = ours["Images"]
    table["Utilisation, paper"] = [f"{share:.0f}%" for share in paper["utilisation"]]
    table["Utilisation, here"] = ours["Utilisation"]
    return table


def _measured(params: Params, source: str, throughput: Path) -> list[list[str]]:
    if not is_key(source):
        return [[source, "", "", "", ""]] * len(ROWS_A_MODEL)
    path = throughput / f"{source}.json"
    found = read_sealed_json(path)
    try:
        flops, peak = found["forward_flops"], found["peak_flops"]
        place = f"{found['device']}, threads: {found['threads']}"
        measured = [(found[name]["batch_size"], median(found[name]["images_per_second"])) for name in IMPLEMENTATIONS]
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: holds no throughput that was measured ({error!r})") from error
    require_params(path, found.get("made_by"), params.sections_of_throughput(source))
    rows = [[place, "", _rate(theoretical_throughput(flops)), _rate(theoretical_throughput(flops, peak)), "100%"]]
    for batch, rate in measured:
        rows.append([place, str(batch), "", _rate(rate), f"{utilisation(rate, flops, peak):.0%}"])
    return rows


def _rate(images_per_second: float) -> str:
    """As the paper prints, but for machines that make less than ten."""
    return f"{images_per_second:.1f}" if images_per_second >= 10 else f"{images_per_second:.3g}"


def model_table(
    paper: pd.DataFrame, params: Params, sources: Sequence[str], parameters: dict[str, int]
) -> pd.DataFrame:
    """Tables 11 to 13: hyperparameters of models, a model a column.

    Args:
        paper: The paper's table, a column a model beside `row` and `note`.
        params: The params file.
        sources: A model, or a reason for there being none, for each of the paper's columns.
        parameters: The number of parameters of each model.

    Raises:
        ValueError: There are more or fewer sources than columns.

    Source: Appendix K.
    """
    columns = [name for name in paper if name not in ("row", "note")]
    check_length("columns", sources, len(columns))
    table = labels(paper)
    for column, source in zip(columns, sources, strict=True):
        ours = _hyperparameters(params, source, parameters) if is_key(source) else {}
        table[f"{column}, paper"] = paper[column]
        table[f"{column}, here"] = [ours.get(row.lower(), "") for row in paper["row"]]
        if not is_key(source):
            table.loc[0, f"{column}, here"] = source
    table["Note"] = paper["note"]
    return table


def _hyperparameters(params: Params, key: str, parameters: dict[str, int]) -> dict[str, str]:
    model = params.models[key]
    assert not isinstance(model, UniformModelParams)
    network, training = model.network, model.training
    stops = [segment.stop for segment in params.segments.values() if segment.model == key]
    published = [point.iteration for point in params.published.checkpoints.values() if point.model == key]
    rows: dict[str, Any] = {
        "diffusion steps": model.noise.timesteps,
        "noise schedule": model.noise.schedule,
        "model size": _millions(parameters[key]),
        "channels": network.channels,
        "depth": network.depth,
        "channels multiple": ",".join(f"{multiplier:g}" for multiplier in network.channel_multiplier),
        "heads": network.heads or "",
        "heads channels": network.head_channels or "",
        "attention resolution": ",".join(map(str, network.attention_resolutions)),
        "biggan up/downsample": "yes" if network.resampling == "biggan" else "no",
        "dropout": network.dropout,
        "weight decay": training.weight_decay,
        "batch size": training.batch_size,
        "iterations": iterations(max(stops + published, default=0)),
        "learning rate": _scientific(training.learning_rate),
    }
    if isinstance(model, ClassifierModelParams):
        rows["attention pooling"] = "yes" if model.network.pooling == "attention" else "no"
    return {name: str(value) for name, value in rows.items()}


def scale_table(paper: pd.DataFrame, params: Params, ddpm: Sequence[str], ddim: Sequence[str]) -> pd.DataFrame:
    """Table 14: the gradient scales that were chosen, for both samplers.

    Args:
        paper: The paper's table, a column a model beside `row`.
        params: The params file.
        ddpm: A run, or a reason for there being none, for each of the paper's columns.
        ddim: The same for DDIM.

    Raises:
        ValueError: There are more or fewer sources than columns.

    Source: Appendix K.
    """
    columns = [name for name in paper if name != "row"]
    table = labels(paper)
    check_length("ddpm", ddpm, len(columns))
    check_length("ddim", ddim, len(columns))
    for number, column in enumerate(columns):
        table[f"{column}, paper"] = [plain(scale) for scale in paper[column]]
        table[f"{column}, here"] = [_scale(params, sources[number]) for sources in (ddpm, ddim)]
    return table


def _scale(params: Params, source: str) -> str:
    if not is_key(source):
        return source
    run = params.runs[source]
    return f"{run.gradient_scale:g} ({run.steps.removeprefix('ddim')} steps)"


def _millions(count: int) -> str:
    return f"{count / 1e6:.0f}M" if count >= 10_000_000 else f"{count / 1e6:.2f}M"


def _scientific(rate: float) -> str:
    mantissa, exponent = f"{rate:e}".split("e")
    return f"{float(mantissa):g}e{int(exponent)}"
