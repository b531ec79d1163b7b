"""`vary`: the same seeds of a run at several gradient scales."""

from pathlib import Path

import numpy as np

from adm.artifacts.class_names import names_for_run
from adm.artifacts.manifest import MadeBy
from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.parallel import resolve_device
from adm.params.models import ClassifierModelParams, DiffusionModelParams
from adm.params.runs import RunParams
from adm.params.studies import VariationParams
from adm.progress import progress
from adm.sampling.guided import block_sampler, class_count
from adm.sampling.studies import Variation, write_study


def run(
    variation: VariationParams,
    run: RunParams,
    model: DiffusionModelParams,
    classifier_model: ClassifierModelParams,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    device: str = "cpu",
) -> None:
    """Sample the run's first seeds at each scale; `inputs` are "checkpoint" and "classifier"."""
    make_deterministic(variation.threads)
    network = load_network(inputs["checkpoint"], model, resolve_device(device), ema_length=run.ema_length)
    classifier = load_network(inputs["classifier"], classifier_model, resolve_device(device))
    num_classes = class_count(model, classifier_model) or 1
    count = variation.num_samples
    columns = []
    for scale in progress(variation.scales, unit="scale"):
        changed = run.model_copy(update={"gradient_scale": scale, "num_samples": count, "micro_batch": count})
        block = block_sampler(changed, model, network, classifier, num_classes)(0)
        columns.append(block.images)
    study = Variation(
        images=np.stack(columns, axis=1),
        scales=np.array(variation.scales, np.float64),
        labels=block.labels,
    )
    write_study(out, study, made_by, names_for_run(inputs))
