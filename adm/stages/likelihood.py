"""`likelihood`: bits per dimension of a dataset's images under a checkpoint, by terms of L_vlb."""

from pathlib import Path

import numpy as np

from adm.artifacts.manifest import MadeBy
from adm.data.batches import choose
from adm.data.shards import ImageShards
from adm.determinism import make_deterministic
from adm.nets.checkpoints import load_network
from adm.parallel import resolve_device
from adm.params.models import DiffusionModelParams
from adm.params.runs import LikelihoodParams
from adm.sampling.likelihood import CHOICE, measure
from adm.sampling.studies import write_study


def run(
    likelihood: LikelihoodParams,
    model: DiffusionModelParams,
    inputs: dict[str, Path],
    out: Path,
    made_by: MadeBy,
    device: str = "cpu",
) -> None:
    """Measure random images; `inputs` are "checkpoint" and "data".

    Raises:
        UserError: The dataset has too few images.
        NotFiniteError: Terms of L_vlb are NaN or infinite.
    """
    make_deterministic(likelihood.threads)
    network = load_network(inputs["checkpoint"], model, resolve_device(device))
    data = ImageShards(inputs["data"], model.network.image_size, parts=(likelihood.part,))
    chosen = choose(likelihood.seed, CHOICE, data, likelihood.num_images, inputs["data"])
    write_study(out, measure(likelihood, model, network, data, np.sort(chosen)), made_by)
