"""Tables 7 and 11 to 14: throughput and hyperparameters, the paper's and those of the params file.

What builds a table takes and raises the same as in `adm.report.run_tables`.
"""

from statistics import median
from typing import Any

import numpy as np
import pandas as pd

from adm.artifacts.seal import read_sealed_json
from adm.config.models import ClassifierModel
from adm.params.references import NoSource, keys_in
from adm.params.schema import Sections
from adm.params.section import count_key
from adm.params.tables import GradientScalesParams, HyperparametersParams, ThroughputTableParams
from adm.report.compute import theoretical_throughput
from adm.report.metrics import IMPLEMENTATIONS, Inputs, read_sizes
from adm.report.run_tables import HERE, labels, printed_steps
from adm.report.tables import plain


def throughput_table(
    paper: pd.DataFrame, params: Sections, section: ThroughputTableParams, inputs: Inputs
) -> pd.DataFrame:
    """Build Table 7, of three rows a model: training images per second, in theory and measured on this machine.

    Source: Appendix B.1.
    """
    table = labels(paper)
    rows = [row for source in section.models for row in _measured(source, inputs)]
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


def _measured(source: str | NoSource, inputs: Inputs) -> list[list[str]]:
    if isinstance(source, NoSource):
        return [[source.none, "", "", "", ""]] * 3  # theoretical, naive, optimised
    timed = read_sealed_json(inputs["throughput"][source])
    flops, peak = timed["forward_flops"], timed["peak_flops"]
    place = f"{timed['device']}, threads: {timed['threads']}"
    measured = [(timed[name]["batch_size"], median(timed[name]["images_per_second"])) for name in IMPLEMENTATIONS]
    most = theoretical_throughput(flops, peak)
    rows = [[place, "", _rate(theoretical_throughput(flops)), _rate(most), "100%"]]
    for batch, rate in measured:
        rows.append([place, str(batch), "", _rate(rate), f"{rate / most:.0%}"])
    return rows


def _rate(images_per_second: float) -> str:
    """Print a rate as the paper does; rates below ten get three significant digits."""
    return f"{images_per_second:.1f}" if images_per_second >= 10 else f"{images_per_second:.3g}"


def model_table(paper: pd.DataFrame, params: Sections, section: HyperparametersParams, inputs: Inputs) -> pd.DataFrame:
    """Build Tables 11 to 13: hyperparameters of models, one column for each model.

    Source: Appendix K.
    """
    columns = [name for name in paper if name not in ("row", "note")]
    parameters = read_sizes(keys_in(section.columns), "parameters", inputs)
    table = labels(paper)
    for column, source in zip(columns, section.columns, strict=True):
        ours = _hyperparameters(params, source, parameters) if isinstance(source, str) else {}
        table[f"{column}, paper"] = paper[column]
        table[f"{column}, here"] = [ours.get(row.lower(), "") for row in paper["row"]]
        if isinstance(source, NoSource):
            table.loc[0, f"{column}, here"] = source.none
    table["Note"] = paper["note"]
    return table


def _hyperparameters(params: Sections, key: str, parameters: dict[str, int]) -> dict[str, str]:
    model: Any = params.models[key]
    network, training, millions = model.network, model.training, parameters[key] / 1e6
    points = [point for point in (*params.segments, *params.published.checkpoints) if params.model_of(point) == key]
    rows: dict[str, Any] = {
        "diffusion steps": model.noise.timesteps,
        "noise schedule": model.noise.schedule,
        "model size": f"{millions:.0f}M" if millions >= 10 else f"{millions:.2f}M",
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
        "iterations": count_key(max(map(params.iteration_of, points), default=0)).upper(),
        "learning rate": np.format_float_scientific(training.learning_rate, trim="-", exp_digits=1),
    }
    if isinstance(model, ClassifierModel):
        rows["attention pooling"] = "yes"
    return {name: str(value) for name, value in rows.items()}


def scale_table(paper: pd.DataFrame, params: Sections, section: GradientScalesParams, inputs: Inputs) -> pd.DataFrame:
    """Build Table 14: the chosen gradient scales, one row for each sampler; the params file alone has them.

    Source: Appendix K.
    """
    table = labels(paper)
    columns = [name for name in paper if name != "row"]
    for column, ddpm, ddim in zip(columns, section.ddpm, section.ddim, strict=True):
        table[f"{column}, paper"] = [plain(scale) for scale in paper[column]]
        table[f"{column}, here"] = [_scale(params, ddpm), _scale(params, ddim)]
    return table


def _scale(params: Sections, source: str | NoSource) -> str:
    if isinstance(source, NoSource):
        return source.none
    run = params.runs[source]
    return f"{run.gradient_scale:g} ({printed_steps(run.steps)})"
