"""Checkpoints of tiny models."""

import pytest
import torch
from making import record

from adm.artifacts.manifest import write_manifest
from adm.artifacts.writing import new_folder
from adm.training.state import TrainingState
from adm.training.tasks import build_task


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tiny_model, randomised):
    """Write a checkpoint's folder: `checkpoint("classifier", num_classes=3)`."""
    root = tmp_path_factory.mktemp("checkpoints")

    def folder_of(kind="diffusion", fresh=False, **changes):
        name = "-".join(["fresh" if fresh else kind, *(f"{key}{value}" for key, value in changes.items())])
        if not (root / name).exists():
            model = tiny_model(kind, **changes)
            network = randomised(model)
            if fresh:  # its last convolution is zero, as in a network that was never trained
                torch.nn.init.zeros_(network.output[-1].weight)
                torch.nn.init.zeros_(network.output[-1].bias)
            with new_folder(root / name) as folder:
                TrainingState(network, build_task(model), model.training).save(folder)
                write_manifest(folder, record("init", {"model": model}, {}, []), {"step": 0})
        return root / name

    return folder_of
