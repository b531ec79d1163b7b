"""The state of a training run, everything that the next step depends on, and its file format."""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path

import torch
from torch import Tensor, nn

from adm.artifacts.reading import read_json
from adm.artifacts.writing import write_json
from adm.config.models import TrainingParams
from adm.nets.checkpoints import AVERAGES
from adm.nets.forward import Forward
from adm.nets.weights import read_tensors, write_tensors
from adm.training.averages import PowerAverages
from adm.training.muon import Muon, is_matrix
from adm.training.tasks import Task
from adm.training.updates import LossScale

MOMENTS = ("exp_avg", "exp_avg_sq")


class TrainingState:
    """Weights, their moving averages, the optimiser's moments, the loss scale and the step.

    Random numbers and the data's order are functions of seed and step, so the state does not store them.
    """

    def __init__(
        self, network: nn.Module, task: Task, training: TrainingParams, device: torch.device | str = "cpu"
    ) -> None:
        self.network = network.to(device)
        self.forward = Forward(self.network, training.precision)
        self.task = task
        self.step = 0
        self.scale = LossScale(training.precision)
        # Collected once: walking through the modules at every step would take longer than the averaging.
        self.parameters = list(network.parameters())
        self.weights = [tensor.detach() for tensor in network.state_dict().values()]
        self.ema = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}
        self.averages = PowerAverages(training.averages or [], network.state_dict())
        self._training = training

    @cached_property
    def optimizer(self) -> torch.optim.Optimizer:
        """AdamW or Muon, made at first use, because making it imports torch's compiler."""
        return (Muon if self._training.optimizer == "muon" else torch.optim.AdamW)(
            self.network.parameters(),
            lr=self._training.learning_rate,
            betas=(0.9, 0.999),
            weight_decay=self._training.weight_decay,
            fused=True,
        )

    def save(self, folder: Path) -> None:
        """Write the state into an existing folder.

        Raises:
            NotFiniteError: A tensor holds NaN or infinity; training must not resume from such a state.
        """
        write_tensors(folder / "network.safetensors", self.network.state_dict())
        write_tensors(folder / "ema.safetensors", self.ema)
        if self.averages.tensors:
            write_tensors(folder / AVERAGES, self.averages.tensors)
        write_tensors(folder / "optimizer.safetensors", dict(self._moments()))
        write_json(folder / "progress.json", {"step": self.step, "log2_loss_scale": self.scale.log2})

    def load(self, folder: Path) -> None:
        """Read the state from a folder that `save` wrote.

        Raises:
            UserError: A file is missing, unreadable, or of another network.
        """
        progress = read_json(folder / "progress.json")
        self.step = progress["step"]
        self.scale.log2 = progress["log2_loss_scale"] if self.scale.active else 0.0
        like = self.network.state_dict()
        self.network.load_state_dict(read_tensors(folder / "network.safetensors", like))
        ema = read_tensors(folder / "ema.safetensors", like)
        self.ema = {name: tensor.to(self.weights[0].device) for name, tensor in ema.items()}
        if kept := self.averages.tensors:
            for name, tensor in read_tensors(folder / AVERAGES, kept).items():
                kept[name].copy_(tensor)
        if self.step:
            self._load_moments(folder / "optimizer.safetensors")

    def tensors(self) -> Iterator[Tensor]:
        """Yield all tensors that are saved."""
        yield from self.weights
        yield from self.ema.values()
        yield from self.averages.tensors.values()
        yield from (moment for _, moment in self._moments())

    def _moments(self) -> Iterator[tuple[str, Tensor]]:
        if not self.step:
            return
        for name, parameter in self.network.named_parameters():
            for moment, value in self.optimizer.state[parameter].items():
                if moment in MOMENTS:
                    yield f"{moment}.{name}", value

    def _load_moments(self, path: Path) -> None:
        parameters, muon = dict(self.network.named_parameters()), self._training.optimizer == "muon"
        moments = {name: MOMENTS[: 1 if muon and is_matrix(each) else 2] for name, each in parameters.items()}
        like = {f"{moment}.{name}": parameters[name].detach() for name in parameters for moment in moments[name]}
        read = read_tensors(path, like)
        for name, parameter in parameters.items():
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(self.step), device=parameter.device),
                # The fused optimiser walks through memory, so a moment needs its parameter's memory layout.
                **{m: torch.empty_like(parameter.detach()).copy_(read[f"{m}.{name}"]) for m in moments[name]},
            }
