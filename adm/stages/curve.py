"""`curve`: the scores of several runs, sampled and scored one after another by one process."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from adm.artifacts.manifest import MadeBy, fingerprint
from adm.artifacts.seal import read_sealed_json, write_sealed_json
from adm.artifacts.writing import new_file, remove_folder
from adm.config.data import GraphParams
from adm.config.metrics import AskedParams
from adm.params.runs import RunParams
from adm.stages import evaluate, features, sample


def run(
    runs: Mapping[str, RunParams],
    models: Mapping[str, Any],
    extractor: GraphParams,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    device: str,
    timeout_seconds: int,
    work: Path,
    asked: AskedParams | None = None,
) -> None:
    """Write the scores of runs by their keys: each is what `evaluate` would have written; `asked` adds metrics.

    `inputs` are the "graph", the "reference", "reference_features", and "networks/KEY" for each checkpoint, classifier
    and guide, whose models are in `models` by the same keys. Finished runs of an earlier try, for the same runs and
    inputs, are read from `work`, this job's own folder.

    Raises:
        UserError: One of the stages `sample`, `features` and `evaluate` would raise it.
    """
    kept = work / fingerprint(made_by)
    scores = {}
    for key, section in runs.items():
        folder = kept / key
        score, samples, seen = (folder / name for name in ("score.json", "samples", "features"))
        if not score.exists():
            of = {name: models[network] for name, network in section.networks.items()}
            given = {name: inputs[f"networks/{network}"] for name, network in section.networks.items()}
            sampled = given, samples, made_by, device, timeout_seconds, folder / "blocks"
            sample.run(section, of["checkpoint"], of.get("classifier"), *sampled, of.get("guide"))
            features.run(extractor, samples, inputs["graph"], seen, made_by, device, timeout_seconds)
            evaluate.run(section, {**inputs, "features": seen}, score, made_by, asked)
            shutil.rmtree(samples)
            shutil.rmtree(seen)
        scores[key] = {name: value for name, value in read_sealed_json(score).items() if name != "made_by"}
    with new_file(out) as path:
        write_sealed_json(path, {"runs": scores, "made_by": made_by})
    remove_folder(work)
