"""The launcher of the processes of a job: torch's elastic agent, on several nodes once on each, by Slurm's srun."""

import logging
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import torch.distributed as dist
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.elastic.rendezvous import RendezvousError
from torch.distributed.launcher.api import LaunchConfig, elastic_launch

from adm.errors import UserError
from adm.parallel import LOST, RUN_ID, STOPPING, stops_noted

SHUTDOWN = 10
"""Seconds between asking a process to end and killing it."""

PORT = "ADM_MEETING_PORT"
"""Environment variable of the calls on the nodes: the port at which their launchers meet, on the machine of srun."""


def launch(processes: int, nodes: int, place: str) -> None:
    """Run this command line in several processes, to their end.

    On several nodes srun repeats this call, once on each, and the repeated calls start the processes of their nodes.

    Args:
        processes: The number of processes on each node.
        nodes: The number of nodes.
        place: The key of the params file that gives it, for messages.

    Raises:
        UserError: A process failed; the message names it and its error, and the others are ended. Or there are to be
            several nodes, and this is no job of Slurm that has them.
        SystemExit: The processes ended because a signal asked for it, which was handed on to them.
    """
    command = ["-m", "adm", *sys.argv[1:]]
    # Where the launchers of the nodes meet, in a call that srun made.
    met_at = f"{os.environ['SLURM_LAUNCH_NODE_IPADDR']}:{os.environ[PORT]}" if PORT in os.environ else None
    if nodes > 1 and met_at is None:
        # Some sites do not tell a job its number of nodes.
        if "SLURM_JOB_ID" not in os.environ or int(os.environ.get("SLURM_JOB_NUM_NODES", nodes)) < nodes:
            verb = " ".join(["adm", *sys.argv[1:]])
            each = f"--nnodes {nodes} --nproc-per-node {processes} --rdzv-backend c10d --rdzv-endpoint FIRST_NODE:29500"
            raise UserError(
                f"{place}: this is no job of Slurm with {nodes} nodes; type `snakemake "
                f"--workflow-profile workflow/profiles/slurm`, `salloc --nodes {nodes} {verb}`, or on each node "
                f"`torchrun {each} -m {verb}`"
            )
        _run_on_nodes([sys.executable, *command], nodes)
        return
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
        # Others are handed on here: torch would kill processes that take longer than `SHUTDOWN` to save their state.
        signals_to_handle="SIGHUP,SIGQUIT",
    )
    try:
        with stops_noted(_hand_on) as stops:
            elastic_launch(config, sys.executable)(*command)
    except ChildFailedError as error:
        if stops and any(failure.exitcode == 128 + stops[0] for failure in error.failures.values()):
            sys.exit(128 + stops[0])
        raise UserError(first_failure(error, processes * nodes)) from error
    except (RendezvousError, dist.DistError) as error:
        raise UserError(f"cannot meet the other launchers at {config.rdzv_endpoint}: {error}") from error
    except SignalException as error:
        sys.exit(128 + error.sigval)


def _hand_on(number: int) -> None:
    """Send a signal to the processes that this one started."""
    for child in Path(f"/proc/self/task/{os.getpid()}/children").read_text(encoding="ascii").split():
        with suppress(ProcessLookupError):
            os.kill(int(child), number)


def _run_on_nodes(command: Sequence[str], nodes: int) -> None:
    """Run a command once on each node of this job of Slurm.

    Raises:
        UserError: A call failed, which ends the others; the message is the first error that one prints, or else Slurm.
        SystemExit: They ended because a signal, Slurm's warning, asked for it.
    """
    # They meet here and not on one of the nodes, whose end would end their meeting.
    store = dist.TCPStore("localhost", 0, is_master=True, wait_for_workers=False)  # type: ignore[attr-defined]
    # The step may overlap one that this process is in. Each process sets its own threads.
    step = [f"--nodes={nodes}", f"--ntasks={nodes}", "--overlap", "--cpu-bind=none", "--kill-on-bad-exit=1"]
    with subprocess.Popen(
        ["srun", *step, *command],
        env={**os.environ, PORT: str(store.port)},
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as srun:
        assert srun.stderr is not None
        ours: list[str] = []
        others: list[str] = []
        try:
            for line in srun.stderr:
                if line.startswith("error: "):
                    ours.append(line.strip().removeprefix("error: "))
                    continue
                sys.stderr.write(line)
                if "error: " in line:
                    others.append(line.strip())
        except BaseException:
            srun.terminate()
            raise
    if srun.returncode - 128 in STOPPING:
        sys.exit(srun.returncode)
    if srun.returncode:
        raise UserError([*ours, *others, f"srun ended with exit code {srun.returncode}"][0])


def first_failure(error: ChildFailedError, processes: int) -> str:
    """Name the process that gave the reason, and its error.

    torch's agent also records the processes that it ended itself, and its timestamps are whole seconds. So a process
    that was ended, or lost another one, is reported only if no other kind of failure was recorded. A process that hangs
    is killed much later; then the one that lost it is reported. Among equals the first record is taken.
    """
    ended = LOST, 128 + signal.SIGTERM, -signal.SIGTERM
    failures = error.failures
    last = min(failure.timestamp for failure in failures.values()) + SHUTDOWN
    early = [rank for rank, failure in failures.items() if failure.timestamp < last]
    rank = min(early, key=lambda rank: (failures[rank].exitcode in ended, failures[rank].timestamp))
    failure = failures[rank]
    if isinstance(failure.message, dict):
        said = failure.message["message"]
    elif failure.exitcode < 0:
        said = f"was killed by {failure.signal_name()}"
    else:
        said = f"ended with exit code {failure.exitcode}"
    return f"rank {rank} of {processes}: {said}"
