"""Training runs in miniature."""

import pytest
import torch

from adm.data.batches import Batches
from adm.nets.weights import build
from adm.training.loop import train
from adm.training.state import TrainingState
from adm.training.tasks import build_task


class Run:
    """A model in training on the tiny dataset."""

    def __init__(self, model, dataset, network=None):
        self.model, self.training = model, model.training
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = network or build(model)
        self.state = TrainingState(network, build_task(model), self.training)
        options = self.training
        self.batches = Batches(
            dataset, model.network.image_size, options.batch_size, options.crop, options.flip, options.seed
        )

    def to(self, stop):
        """Train until `stop`; return the reports."""
        return list(train(self.state, self.batches, self.training, stop))

    def files(self, folder):
        """The saved state as the bytes of its files."""
        folder.mkdir()
        self.state.save(folder)
        return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture
def new_run(dataset):
    return lambda model, network=None: Run(model, dataset, network)
