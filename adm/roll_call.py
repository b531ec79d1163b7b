"""A roll call among the processes of a job: which of them are gone, or hang, after an exchange has failed."""

import os
import socket
import threading
import time
from contextlib import suppress
from datetime import timedelta
from itertools import groupby

import torch.distributed as dist

CALLED = "adm/called"
"""Key of the job's store that asks every process to answer."""

INTERVAL, PATIENCE = 0.5, 5.0
"""Seconds between looks for a call, and from a call to the count of the answers."""

TIMEOUT = timedelta(seconds=30)
"""How long to wait for the job's store."""


class RollCall:
    """The answers of this process, by a thread of its own, and its calls.

    An exchange names at most a neighbour, which may itself have ended because it lost another one. All that live answer
    the first call, so every process finds the same ones missing.

    Args:
        rank: The rank of this process.
        size: The number of processes.

    Raises:
        RuntimeError: The job's store, whose address torchrun gives, cannot be reached.
    """

    def __init__(self, rank: int, size: int) -> None:
        self._rank, self._size = rank, size
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self._store = dist.TCPStore(host, port, is_master=False, timeout=TIMEOUT)  # type: ignore[attr-defined]
        self._store.set(f"adm/node/{rank}", os.environ.get("SLURMD_NODENAME", socket.gethostname()))
        # The launcher of rank 0 keeps the store, and is itself missing if that is gone.
        self._keeper = f"rank 0 on {self._node(0)}"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    def missing(self) -> str:
        """Call all processes; return the ranks and nodes of those that do not answer, or "" if they all do."""
        try:
            self._store.set(CALLED, "")
            time.sleep(PATIENCE)
            silent = [rank for rank in range(self._size) if not self._store.check([f"adm/here/{rank}"])]
            return " and ".join(f"rank {', '.join(map(str, r))} on {node}" for node, r in groupby(silent, self._node))
        except RuntimeError:
            return self._keeper

    def end(self) -> None:
        """Answer no more."""
        self._ended.set()
        self._thread.join()

    def _node(self, rank: int) -> str:
        return self._store.get(f"adm/node/{rank}").decode()

    def _answer(self) -> None:
        with suppress(RuntimeError):
            while not self._ended.wait(INTERVAL):
                if self._store.check([CALLED]):
                    self._store.set(f"adm/here/{self._rank}", "")
                    return
