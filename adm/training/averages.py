"""Averages of the weights that training keeps beside its own, for any other length to be combined afterwards."""

from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from adm.artifacts.writing import link_or_copy
from adm.config.averages import exponent_of, rate_of, snapshot_steps
from adm.config.models import AveragesParams
from adm.nets.checkpoints import named_averages, snapshot_file
from adm.nets.weights import read_tensors, write_tensors


class PowerAverages:
    """Averages of the weights, one a length, and the folder of the state that holds their earlier snapshots.

    A state's own averages are the snapshot at its step. Snapshots at multiples of `every` are handed on from state to
    state, and so from checkpoint to checkpoint, as hard links: their bytes lie on the disk once. Whoever trains saves
    the state wherever `is_due` says so.

    Attributes:
        tensors: The averages, by the names of `named_averages`.
        source: The folder that the state was last read from or saved to; None before.
        hashes: The sha256 of each snapshot that is handed on, by its file's name, as far as it is known.
    """

    def __init__(self, params: AveragesParams | None, weights: Mapping[str, Tensor]) -> None:
        self.every = None if params is None else params.every
        lengths = [] if params is None else params.lengths
        self.exponents = [exponent_of(length) for length in lengths]
        self.tensors = {name: w.detach().clone() for name, w in named_averages(lengths, weights).items()}
        self.source: Path | None = None
        self.hashes: dict[str, str] = {}

    def update(self, weights: Sequence[Tensor], step: int) -> None:
        """Take in the weights after update number `step`, counted from 1, in the order of the network's tensors.

        Source: Karras et al. (2024), EDM2, section 3.1.
        """
        tensors = iter(self.tensors.values())
        for exponent in self.exponents:
            average = list(islice(tensors, len(weights)))
            torch._foreach_lerp_(average, list(weights), 1 - rate_of(exponent, step))

    def is_due(self, step: int) -> bool:
        """Tell whether the state must be saved at a step, lest a snapshot be missing later."""
        return self.every is not None and step % self.every == 0

    def save(self, folder: Path, step: int) -> None:
        """Write the averages at a step into an existing folder, and link the earlier snapshots into it.

        Raises:
            NotFiniteError: An average holds NaN or infinity.
        """
        if self.every is None or step == 0:
            return
        write_tensors(folder / snapshot_file(step), self.tensors)
        for earlier in snapshot_steps(self.every, step)[:-1]:
            assert self.source is not None, "no state was saved at an earlier step that was due"
            link_or_copy(self.source / snapshot_file(earlier), folder / snapshot_file(earlier))

    def hand_on(self, folder: Path, step: int, hashes: Mapping[str, str]) -> None:
        """Name the state from which the next one links its snapshots, and the hashes of its files."""
        self.source = folder
        if self.every is not None:
            self.hashes = {name: hashes[name] for name in map(snapshot_file, snapshot_steps(self.every, step))}

    def load(self, folder: Path, step: int) -> None:
        """Read the averages of a state at a step; before the first step there are none.

        Raises:
            UserError: The file is missing, unreadable, or of another network or other lengths.
        """
        self.source = folder
        if self.every is None or step == 0:
            return
        for name, tensor in read_tensors(folder / snapshot_file(step), self.tensors).items():
            self.tensors[name].copy_(tensor)
