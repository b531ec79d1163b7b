"""Several processes of one job, on a node or more, each with its own device; torchrun or `adm.launcher` starts them."""

import ctypes
import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from adm.determinism import allow_tf32
from adm.errors import UserError, one_line
from adm.machine import take_gpu

LOST = 3
"""Exit code of a process that lost contact with another one. The other one's error tells why."""

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
"""Signals that ask for an end: Ctrl-C, a scheduler's, and the warning that Slurm sends under `--signal=USR1@60`."""

RUN_ID = "adm-"
"""Prefix of the ids of runs that `adm.launcher` starts."""

CPU = torch.device("cpu")

T = TypeVar("T")
Arrays = tuple[NDArray[Any], ...]


@dataclass(frozen=True)
class Group:
    """The processes of a job, as one of them sees them."""

    rank: int = 0
    size: int = 1
    device: torch.device = CPU

    @property
    def is_main(self) -> bool:
        """Whether this is rank 0, which alone writes results."""
        return self.rank == 0

    @property
    def rank_slice(self) -> slice:
        """The items of a list that this rank works on: every `size`-th one, from `rank` on."""
        return slice(self.rank, None, self.size)

    def map(self, function: Callable[[T], Arrays], items: Iterable[T]) -> Iterator[Arrays]:
        """Yield function(item) for every item, in order, on every process; each process computes its rank slice.

        The result for an item does not depend on the process that computes it.

        Args:
            function: Computes an item.
            items: The same on every process.
        """
        if self.size == 1:
            yield from map(function, items)
            return
        iterator = iter(items)
        while chunk := list(islice(iterator, self.size)):
            # Every process takes part in the exchange, also one that has no item left.
            yield from self._gathered(function(chunk[self.rank]) if self.rank < len(chunk) else ())[: len(chunk)]

    def all_reduce(self, tensors: Sequence[Tensor]) -> None:
        """Replace tensors, all of one dtype, by their sums over the processes, in place.

        They are reduced as one flat tensor, so the order of additions does not depend on when training was resumed.
        """
        if self.size == 1:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with _exit_if_lost():
            dist.all_reduce(flat)
        parts = torch.split(flat, [tensor.numel() for tensor in tensors])
        torch._foreach_copy_(list(tensors), [p.view_as(t) for p, t in zip(parts, tensors, strict=True)])

    def broadcast(self, number: int) -> int:
        """Send a number from rank 0 to all processes, and return it."""
        return self._gathered(number)[0]

    def largest(self, number: int) -> int:
        """Return the largest of the processes' numbers."""
        return max(self._gathered(number))

    def check_identical(self, tensors: Iterable[Tensor], what: str) -> None:
        """Check that every process holds the same bits.

        Raises:
            UserError: Another process holds other bits; the message is about `what`.
        """
        if self.size == 1:
            return
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
        own = digest.digest()
        if different := [rank for rank, other in enumerate(self._gathered(own)) if other != own]:
            raise UserError(f"{what}: rank {self.rank} and ranks {different} hold different bits")

    def barrier(self) -> None:
        """Return when every process has called this; if one fails before it, the others end, too."""
        self._gathered(None)

    def _gathered(self, value: T) -> list[T]:
        """Exchange a value of each process, over gloo, as torch's own barrier, say, would not."""
        parts = [value] * self.size
        if self.size > 1:
            with _exit_if_lost():
                dist.all_gather_object(parts, value)
        return parts


ALONE = Group()


@contextmanager
def stops_noted(hand_on: Callable[[int], None] = lambda number: None) -> Iterator[list[int]]:
    """Note signals that ask for an end, and hand on their numbers, while the block runs; a second Ctrl-C ends it."""
    noted: list[int] = []

    def note(number: int, _: object) -> None:
        hand_on(number)
        if noted and number == signal.SIGINT:
            raise KeyboardInterrupt
        noted.append(number)

    # The main thread alone can handle signals. What a script starts in the background goes on ignoring Ctrl-C.
    is_main = threading.current_thread() is threading.main_thread()
    heeded = [one for one in STOPPING if is_main and (one, signal.getsignal(one)) != (signal.SIGINT, signal.SIG_IGN)]
    before = {one: signal.signal(one, note) for one in heeded}
    try:
        yield noted
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def resolve_device(device: str | torch.device, number: int = 0) -> torch.device:
    """Choose the device of a process: the CPU, or for "cuda" a GPU that no other process holds.

    Args:
        device: "cpu" or "cuda"; a user's may be "auto", a GPU where there is one, "cuda:1", "mps" or a torch.device.
        number: The number of the process among those of its job on this machine. It tries the GPU of this number first.

    Raises:
        UserError: It is none, or no GPU is left for it.
    """
    kind, _, index = str(device).partition(":")
    known = ["cpu", "cuda", *(["mps"] if torch.backends.mps.is_available() else [])]
    if kind not in ("auto", *known) or not (index or "0").isdecimal():
        raise UserError(f"device {str(device)!r}: is none here; there are auto, {', '.join(known)} and cuda:NUMBER")
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind != "cuda":
        return torch.device(kind)
    count, number = torch.cuda.device_count(), int(index or number)
    if number >= count:
        raise UserError(f"device {str(device)!r}: is not here; number of GPUs that torch finds: {count}")
    if not index:
        # Numbers count what CUDA_VISIBLE_DEVICES shows to this job; uuids are the same for all jobs.
        number = take_gpu([str(torch.cuda.get_device_properties(gpu).uuid) for gpu in range(count)], number)
    torch.cuda.set_device(number)
    # cuBLAS is deterministic only with workspaces of fixed sizes.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    allow_tf32(False)
    return torch.device("cuda", number)


@contextmanager
def process_group(device: str, timeout_seconds: int) -> Iterator[Group]:
    """Join the process group of the job, if torchrun or `adm.launcher` started this process.

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
    if sys.platform == "linux":  # ends with its launcher, even where that is killed: PR_SET_PDEATHSIG of prctl(2)
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)
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
    yield Group(rank, size, own)
    # Not after an error: the others may be gone, and this would wait for them.
    dist.destroy_process_group()


def report_failure(message: str) -> bool:
    """Tell `adm.launcher`, if it started this process, why it fails, so that it alone prints it; return whether."""
    if not os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(RUN_ID):
        return False
    content = {"message": message, "extraInfo": {"timestamp": str(int(time.time()))}}
    Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(json.dumps({"message": content}), encoding="utf-8")
    return True


@contextmanager
def _exit_if_lost() -> Iterator[None]:
    """Run an exchange with the other processes; end this process if one of them is lost."""
    try:
        yield
    except RuntimeError as error:
        # The launcher shall record the failure of the other process first.
        time.sleep(1)
        message = f"had no answer from another process: {one_line(str(error))}"
        if not report_failure(message):
            print(f"error: {message}", file=sys.stderr)
        sys.exit(LOST)
