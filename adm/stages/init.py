"""`init`: the checkpoint of a model at iteration 0."""

from pathlib import Path

import torch

from adm.artifacts.manifest import MadeBy, write_manifest
from adm.artifacts.writing import new_folder
from adm.determinism import make_deterministic
from adm.nets.weights import build
from adm.params.models import ModelParams
from adm.training.state import TrainingState
from adm.training.tasks import build_task


def run(model: ModelParams, out: Path, made_by: MadeBy) -> None:
    """Initialise a network with its seed of the weights, and write its checkpoint."""
    make_deterministic(threads=1)
    with new_folder(out) as folder:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(model.training.seeds.weights)
            network = build(model)
        TrainingState(network, build_task(model), model.training).save(folder)
        write_manifest(folder, made_by, {"step": 0})
