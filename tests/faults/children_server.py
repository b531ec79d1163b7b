"""Forks a child for each request on standard input, which runs a verb; torch is imported once for all of them.

A request is a line of JSON: what `adm` is called with, the folder to do it in, the file for what is printed, the fault
to inject, if any, the seconds after which to send the child a signal, if any, which signal, and whether it keeps a
journal. Two lines answer it: the child's PID, and in time how it ended.
"""

import ctypes
import json
import os
import sys
import time
import traceback
from contextlib import nullcontext, suppress
from functools import cache
from pathlib import Path

import pandas  # noqa: F401 -- what follows is imported for the children
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch

from adm import cli
from adm.artifacts.code import PACKAGE, code_digest
from adm.params import UserError

# What every child would do again.
torch.optim.AdamW([torch.zeros(1)])
torch.set_num_threads(1)
for stage in (PACKAGE / "stages").glob("[a-z]*.py"):
    code_digest(stage.stem)
load = cache(cli.load)
cli.load = lambda path: load(Path(path).resolve())


def serve():
    """Answer requests until there are no more."""
    for line in sys.stdin:
        request = json.loads(line)
        seconds, number = request.pop("seconds"), request.pop("number")
        if (params := Path(request["folder"], "params.yaml")).exists():
            # The child says what is wrong with it.
            with suppress(UserError):
                cli.load(params)
        child = os.fork()
        if not child:
            work(**request)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(status_of(child, seconds, number)), flush=True)


def status_of(child, seconds, number):
    """Wait for a child, which is sent a signal after some seconds."""
    if seconds is not None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                return status
            time.sleep(0.001)
        os.kill(child, number)
    return os.waitpid(child, 0)[1]


def work(arguments, folder, printed, fault, journalled):
    """Be the child."""
    if not journalled:
        cli.journal_of = lambda job: nullcontext(job.root / "logs")
    descriptor = os.open(printed, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    os.chdir(folder)
    sys.argv = ["adm", *arguments]
    code = 1
    try:
        if fault:
            shim = ctypes.CDLL(None)
            shim.fault_arm(os.fsencode(fault["folder"]), ctypes.c_long(fault["nth"]), fault["error"])
        try:
            cli.main()
        finally:
            if fault:
                Path(f"{printed}.count").write_text(str(shim.fault_count()))
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    serve()
