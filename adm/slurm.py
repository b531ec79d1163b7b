"""A command on several nodes at once, by srun within a job of Slurm."""

import os
import subprocess
import sys
from collections.abc import Sequence

import torch.distributed as dist

from adm.errors import UserError

PORT = "ADM_MEETING_PORT"
"""Environment variable of the calls on the nodes: the port at which their launchers meet, on the machine of srun."""


def meeting() -> str | None:
    """Where the launchers of the nodes meet, as HOST:PORT; None if srun did not make this call."""
    return f"{os.environ['SLURM_LAUNCH_NODE_IPADDR']}:{os.environ[PORT]}" if PORT in os.environ else None


def has_nodes(nodes: int) -> bool:
    """Whether this is part of a job of Slurm that has so many nodes, or whose number of nodes is not told."""
    return "SLURM_JOB_ID" in os.environ and int(os.environ.get("SLURM_JOB_NUM_NODES", nodes)) >= nodes


def run_on_nodes(command: Sequence[str], nodes: int) -> None:
    """Run a command once on each node of this job of Slurm.

    Raises:
        UserError: A call failed; the message is the first error that one of them prints, or else Slurm. The others are
            ended.
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
    if srun.returncode:
        raise UserError([*ours, *others, f"srun ended with exit code {srun.returncode}"][0])
