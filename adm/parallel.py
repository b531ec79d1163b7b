"""Several processes of one job, each with a device of its own: torchrun's, or those that `launch` starts."""

import ctypes
import hashlib
import json
import logging
import os
import signal
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from adm.gpus import take
from adm.params.errors import UserError, one_line

LOST = 3
"""Exit code of a process that lost another: the other's error tells why, this one's does not."""

ENDED = (LOST, 128 + signal.SIGTERM, -signal.SIGTERM)
"""Exit codes that another process's failure gives: it was lost, or what was left was told to end."""

SHUTDOWN = 10
"""Seconds from telling a process to end until it is killed."""

RUN_ID = "adm-"
"""What the names of the runs begin with that `launch` starts."""

PR_SET_PDEATHSIG = 1
"""Linux's option of prctl(2): the signal that a process gets when its parent ends."""

CPU = torch.device("cpu")

T = TypeVar("T")
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Group:
    """The processes of a job, seen from one of them.

    Attributes:
        rank: This process's number, from 0 on.
        size: How many there are.
        device: What this one computes on.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_first(self) -> bool:
        """Whether it falls to this process to write what all have made."""
        return self.rank == 0

    @property
    def turns(self) -> slice:
        """Which items of a list fall to this process, where all take turns."""
        return slice(self.rank, None, self.size)

    @property
    def facts(self) -> dict[str, Any]:
        """What a manifest tells of how an artifact was computed, where that can change its last bits."""
        return {"processes": self.size, "device": self.device.type}

    def map(self, function: Callable[[T], Arrays], items: Iterable[T]) -> Iterator[Arrays]:
        """As the builtin: the function of each item, in order, on every process; each computes its turns alone.

        What an item gives does not depend on the process that computes it, so neither does the whole.

        Args:
            function: Returns arrays, of the same shapes and dtypes for every item.
            items: The same on every process.
        """
        if self.size == 1:
            yield from map(function, items)
            return
        waiting = iter(items)
        while turn := list(islice(waiting, self.size)):
            # Who has no item left computes one that another has, too: all take part in the exchange.
            mine = function(turn[self.rank] if self.rank < len(turn) else turn[0])
            parts = [self._gather(torch.from_numpy(value)) for value in mine]
            for arrays in islice(zip(*parts, strict=True), len(turn)):
                yield tuple(array.numpy() for array in arrays)

    def concatenated(self, share: Tensor) -> Tensor:
        """Everyone's rows, in the order of ranks: (size x B, ...) from (B, ...), on this process's device."""
        return share if self.size == 1 else torch.cat(self._gather(share))

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, all of one dtype, by their sums over the processes, in place.

        They travel as one, so that the order of additions does not depend on when training was resumed.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _together():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [p.view_as(t) for p, t in zip(parts, tensors, strict=True)])

    def first(self, number: int) -> int:
        """A number that the first process knows, told to all."""
        if self.size == 1:
            return number
        told = torch.tensor(number)
        with _together():
            dist.broadcast(told, 0)
        return int(told)

    def agree(self, tensors: Iterable[Tensor], what: str) -> None:
        """Check that every process holds the same bits.

        Raises:
            UserError: One does not.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        mine = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
        different = [rank for rank, other in enumerate(self._gather(mine)) if not torch.equal(other, mine)]
        if different:
            raise UserError(
                f"{what}: differs between rank {self.rank} and ranks {different}; the processes parted ways"
            )

    def meet(self) -> None:
        """Return when every process has come here: one that fails before ends the others, too."""
        if self.size > 1:
            # A tensor of the processor's goes over gloo; torch's barrier would take the GPUs.
            self._gather(torch.tensor(self.rank))

    def wait(self) -> None:
        """Return when the first process has come here."""
        self.first(0)

    def _gather(self, value: Tensor) -> list[Tensor]:
        value = value.contiguous()
        parts = [torch.empty_like(value) for _ in range(self.size)]
        with _together():
            dist.all_gather(parts, value)
        return parts


ALONE = Group()


def placed(device: str, number: int = 0) -> torch.device:
    """The device of a process: "cpu", or with "cuda" a GPU that no other process holds.

    Args:
        device: "cpu" or "cuda".
        number: The process's among those of its job on this machine, and of the GPU that it tries first.

    Raises:
        UserError: There is no GPU for it.
    """
    if device == "cpu":
        return CPU
    count = torch.cuda.device_count()
    if number >= count:
        raise UserError(f"device {device!r}: process {number} has no GPU; there are {count} here")
    # Numbers are of what CUDA_VISIBLE_DEVICES shows to this job; these names are the same for all.
    number = take([str(torch.cuda.get_device_properties(gpu).uuid) for gpu in range(count)], number)
    torch.cuda.set_device(number)
    # cuBLAS is deterministic with workspaces of fixed sizes alone, and convolutions of float32 are to be of float32.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.backends.cudnn.allow_tf32 = False
    return torch.device(device, number)


@contextmanager
def joined(device: str, timeout_seconds: int) -> Iterator[Group]:
    """Join the other processes of the job, if torchrun or `launch` started this one.

    Args:
        device: "cpu", or "cuda" for a GPU of its own; see `placed`.
        timeout_seconds: How long to wait for another process before giving up.

    One that never meets the others, or loses one, ends with the code LOST and a line that says so.

    Raises:
        UserError: There is no device for it.
    """
    number = int(os.environ.get("LOCAL_RANK", "0"))
    own = placed(device, number)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(device=own)
        return
    _end_with_parent()
    backend = "gloo"
    if own.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        # An exchange between GPUs raises its error where it was asked for, once the time is over. Without this it
        # returns at once, and torch's watchdog then aborts the process that waits. Read in torch's sources; no GPU
        # has tried it here.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    with _together():
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_seconds))
    yield Group(int(os.environ["RANK"]), size, own)
    # Not after an error: the others may be gone, and who waits for them would not end.
    dist.destroy_process_group()


def launch(processes: int) -> bool:
    """Run this very command in several processes, unless it is one of them, or one will do.

    Returns:
        Whether it was run, so that nothing is left to do here.

    Raises:
        UserError: A process failed; names it and what it said. The others are ended.
    """
    if processes == 1 or "WORLD_SIZE" in os.environ:
        return False
    # Imported here: one process needs no launcher.
    from torch.distributed.elastic.multiprocessing import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=RUN_ID + uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        local_addr="localhost",
        max_restarts=0,
        shutdown_timeout=SHUTDOWN,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "adm", *sys.argv[1:])
    except ChildFailedError as error:
        raise UserError(_first_failure(error, processes)) from error
    except SignalException as error:
        sys.exit(128 + error.sigval)
    return True


def report(message: str) -> bool:
    """Tell `launch` why this process fails, so that it is said once, by one.

    Returns:
        Whether it was `launch` that started the process.
    """
    if not os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(RUN_ID):
        return False
    told = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": told}), encoding="utf-8")
    return True


def _first_failure(error: Any, processes: int) -> str:
    # The launcher notes those that it ended itself, too, and whole seconds tell nothing apart: who was ended, or lost
    # another, gives no reason as long as there is one who does. A process that hangs is killed in the end, but that
    # late: then who lost it tells. Of equals, the one that was noted first is taken.
    failures = error.failures
    last = min(failure.timestamp for failure in failures.values()) + SHUTDOWN
    early = [rank for rank, failure in failures.items() if failure.timestamp < last]
    rank = min(early, key=lambda rank: (failures[rank].exitcode in ENDED, failures[rank].timestamp))
    failure = failures[rank]
    if isinstance(failure.message, dict):
        said = failure.message["message"]
    elif failure.exitcode < 0:
        said = f"was killed by {failure.signal_name()}"
    else:
        said = f"ended with exit code {failure.exitcode}"
    return f"rank {rank} of {processes}: {said}"


@contextmanager
def _together() -> Iterator[None]:
    """Exchange with the others; who has lost one gives it a moment to be noticed, then ends."""
    try:
        yield
    except RuntimeError as error:
        _lose(error)


def _lose(error: RuntimeError) -> NoReturn:
    time.sleep(1)
    message = f"had no answer from another process: {one_line(str(error))}"
    if not report(message):
        print(f"error: {message}", file=sys.stderr)
    sys.exit(LOST)


def _end_with_parent() -> None:
    """Have the system end this process when its launcher is killed, who could not end it then."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
