"""Several processes of one job, on a node or more, each with its own device. torchrun starts them, or `launch`."""

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

from adm.determinism import allow_tf32
from adm.errors import UserError, one_line
from adm.gpus import take
from adm.roll_call import RollCall
from adm.slurm import has_nodes, meeting, run_on_nodes

LOST = 3
"""Exit code of a process that lost contact with another one. The other one's error tells why."""

ENDED = (LOST, 128 + signal.SIGTERM, -signal.SIGTERM)
"""Exit codes that another process's failure causes: contact was lost, or the launcher ended this one."""

SHUTDOWN = 10
"""Seconds between asking a process to end and killing it."""

RUN_ID = "adm-"
"""Prefix of the ids of runs that `launch` starts."""

PR_SET_PDEATHSIG = 1
"""Option of Linux's prctl(2): the signal that a process gets when its parent ends."""

CPU = torch.device("cpu")

T = TypeVar("T")
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Group:
    """The processes of a job, as one of them sees them.

    Attributes:
        rank: The number of this process, from 0.
        size: The number of processes.
        device: The device that this process computes on.
        roll_call: Finds out who is gone; None if there is only one process.
    """

    rank: int = 0
    size: int = 1
    device: torch.device = CPU
    roll_call: RollCall | None = None

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which alone writes results."""
        return self.rank == 0

    @property
    def rank_slice(self) -> slice:
        """The items of a list that this rank works on: every `size`-th one, from `rank` on."""
        return slice(self.rank, None, self.size)

    @property
    def facts(self) -> dict[str, Any]:
        """How an artifact was computed, for its manifest: what can change the last bits of numbers."""
        return {"processes": self.size, "device": self.device.type}

    def map(self, function: Callable[[T], Arrays], items: Iterable[T]) -> Iterator[Arrays]:
        """Yield function(item) for every item, in order, on every process; each process computes its rank slice.

        The result for an item does not depend on the process that computes it.

        Args:
            function: Returns arrays that have the same shapes and dtypes for every item.
            items: The same on every process.
        """
        if self.size == 1:
            yield from map(function, items)
            return
        iterator = iter(items)
        while chunk := list(islice(iterator, self.size)):
            # Every process takes part in the exchange. One that has no item left computes the first one again.
            own = function(chunk[self.rank] if self.rank < len(chunk) else chunk[0])
            parts = [self._gather_parts(torch.from_numpy(value)) for value in own]
            for arrays in islice(zip(*parts, strict=True), len(chunk)):
                yield tuple(array.numpy() for array in arrays)

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, all of one dtype, by their sums over the processes, in place.

        They are reduced as one flat tensor, so the order of additions does not depend on when training was resumed.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _exit_if_lost(self.roll_call):
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [p.view_as(t) for p, t in zip(parts, tensors, strict=True)])

    def broadcast(self, number: int) -> int:
        """Send a number from rank 0 to all processes, and return it."""
        if self.size == 1:
            return number
        value = torch.tensor(number)
        with _exit_if_lost(self.roll_call):
            dist.broadcast(value, 0)
        return int(value)

    def check_identical(self, tensors: Iterable[Tensor], what: str) -> None:
        """Check that every process holds the same bits.

        Args:
            tensors: What this process holds.
            what: The subject of the error message.

        Raises:
            UserError: Another process holds other bits.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        own = torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)
        different = [rank for rank, other in enumerate(self._gather_parts(own)) if not torch.equal(other, own)]
        if different:
            raise UserError(f"{what}: rank {self.rank} and ranks {different} hold different bits")

    def barrier(self) -> None:
        """Return when every process has called this; if one fails before it, the others end, too."""
        if self.size > 1:
            # A CPU tensor is exchanged over gloo; torch's own barrier would use the GPUs.
            self._gather_parts(torch.tensor(self.rank))

    def wait_for_main(self) -> None:
        """Return when rank 0 has called this."""
        self.broadcast(0)

    def _gather_parts(self, value: Tensor) -> list[Tensor]:
        value = value.contiguous()
        parts = [torch.empty_like(value) for _ in range(self.size)]
        with _exit_if_lost(self.roll_call):
            dist.all_gather(parts, value)
        return parts


ALONE = Group()


def resolve_device(device: str, number: int = 0) -> torch.device:
    """The device of a process: the CPU, or for "cuda" a GPU that no other process holds.

    Args:
        device: "cpu" or "cuda".
        number: The number of the process among those of its job on this machine. It tries the GPU of this number first.

    Raises:
        UserError: No GPU is left for it.
    """
    if device == "cpu":
        return CPU
    count = torch.cuda.device_count()
    if number >= count:
        raise UserError(f"device {device!r}: process {number} has no GPU; there are {count} here")
    # Numbers count what CUDA_VISIBLE_DEVICES shows to this job; uuids are the same for all jobs.
    number = take([str(torch.cuda.get_device_properties(gpu).uuid) for gpu in range(count)], number)
    torch.cuda.set_device(number)
    # cuBLAS is deterministic only with workspaces of fixed sizes.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    allow_tf32(False)
    return torch.device(device, number)


@contextmanager
def process_group(device: str, timeout_seconds: int) -> Iterator[Group]:
    """Join the process group of the job, if torchrun or `launch` started this process.

    Args:
        device: "cpu", or "cuda" for a GPU of its own; see `resolve_device`.
        timeout_seconds: How long to wait for another process.

    A process that cannot reach the others, or loses one, prints one line and ends with exit code LOST.

    Raises:
        UserError: No device is left for it.
    """
    number = int(os.environ.get("LOCAL_RANK", "0"))
    own = resolve_device(device, number)
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Group(device=own)
        return
    _die_with_parent()
    backend = "gloo"
    if own.type == "cuda":
        backend = "cpu:gloo,cuda:nccl"
        # With this, an exchange between GPUs that times out raises an error where it was called. Without it, the call
        # returns at once, and torch's watchdog later aborts the process. This follows torch's sources; it is untested
        # on GPUs.
        os.environ.setdefault("TORCH_NCCL_BLOCKING_WAIT", "1")
    rank = int(os.environ["RANK"])
    with _exit_if_lost():
        dist.init_process_group(backend, timeout=timedelta(seconds=timeout_seconds))
        roll_call = RollCall(rank, size)
    yield Group(rank, size, own, roll_call)
    roll_call.end()
    # Not after an error: the others may be gone, and this would wait for them.
    dist.destroy_process_group()


def launch(processes: int, nodes: int = 1, place: str = "nodes") -> bool:
    """Run this command line in several processes, unless this is one of them, or one is enough.

    On several nodes srun repeats this call, once on each, and the repeated calls start the processes of their nodes.

    Args:
        processes: The number of processes on each node.
        nodes: The number of nodes.
        place: The key of the params file that gives it, for messages.

    Returns:
        Whether it ran them, so that nothing is left to do here.

    Raises:
        UserError: A process failed; the message names it and its error, and the others are ended. Or there are to be
            several nodes, and this is no job of Slurm that has them.
    """
    if processes * nodes == 1 or "WORLD_SIZE" in os.environ:
        return False
    command, met_at = ["-m", "adm", *sys.argv[1:]], meeting()
    if nodes > 1 and met_at is None:
        _check_nodes(processes, nodes, place)
        run_on_nodes([sys.executable, *command], nodes)
        return True
    # Imported late: one process needs no launcher.
    from torch.distributed.elastic.multiprocessing import SignalException  # noqa: PLC0415
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError  # noqa: PLC0415
    from torch.distributed.elastic.rendezvous import RendezvousError  # noqa: PLC0415
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch  # noqa: PLC0415

    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=nodes,
        max_nodes=nodes,
        nproc_per_node=processes,
        run_id=RUN_ID + (met_at or uuid.uuid4().hex),
        rdzv_backend="c10d",
        rdzv_endpoint=met_at or "localhost:0",
        rdzv_configs={"is_host": met_at is None},
        local_addr=None if met_at else "localhost",
        max_restarts=0,
        shutdown_timeout=SHUTDOWN,
    )
    try:
        elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as error:
        raise UserError(_first_failure(error, processes * nodes)) from error
    except (RendezvousError, dist.DistError) as error:
        raise UserError(f"cannot meet the other launchers at {config.rdzv_endpoint}: {error}") from error
    except SignalException as error:
        sys.exit(128 + error.sigval)
    return True


def _check_nodes(processes: int, nodes: int, place: str) -> None:
    if not has_nodes(nodes):
        verb = " ".join(["adm", *sys.argv[1:]])
        each = f"--nnodes {nodes} --nproc-per-node {processes} --rdzv-backend c10d --rdzv-endpoint FIRST_NODE:29500"
        raise UserError(
            f"{place}: this is no job of Slurm with {nodes} nodes; type `snakemake --workflow-profile "
            f"workflow/profiles/slurm`, `salloc --nodes {nodes} {verb}`, or on each node `torchrun {each} -m {verb}`"
        )


def report_failure(message: str) -> bool:
    """Tell `launch` why this process fails, so that the launcher alone prints it.

    Returns:
        Whether `launch` started this process.
    """
    if not os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(RUN_ID):
        return False
    content = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": content}), encoding="utf-8")
    return True


def _first_failure(error: Any, processes: int) -> str:
    # The launcher also records the processes that it ended itself, and its timestamps are whole seconds. So a process
    # that was ended, or lost another one, is reported only if no other kind of failure was recorded. A process that
    # hangs is killed much later; then the one that lost it is reported. Among equals the first record is taken.
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
def _exit_if_lost(roll_call: RollCall | None = None) -> Iterator[None]:
    """Run an exchange with the other processes; end this process if one of them is lost."""
    try:
        yield
    except RuntimeError as error:
        _exit_lost(error, roll_call)


def _exit_lost(error: RuntimeError, roll_call: RollCall | None) -> NoReturn:
    missing = roll_call.missing() if roll_call else ""
    # The launcher shall record the failure of the other process first.
    time.sleep(1)
    message = f"had no answer from {missing or 'another process'}: {one_line(str(error))}"
    if not report_failure(message):
        print(f"error: {message}", file=sys.stderr)
    sys.exit(LOST)


def _die_with_parent() -> None:
    """Have the kernel end this process if its launcher is killed."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
