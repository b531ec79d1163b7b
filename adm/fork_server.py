"""A process that has imported the libraries, of which each of an engine's local jobs is a fork.

To start Python and import torch takes one to three seconds, which is more than many jobs of a small scale need. A fork
has the modules at once. It is a process of its own: with the caller's command line, folder, environment and streams,
and without anything that another job has computed. Whoever finds no such process starts in the usual way.
"""

import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PLACE = "ADM_FORK_SERVER"
"""Environment variable with the path of the socket at which the process listens."""

MODULES = (
    "adm.cli",
    "adm.data.decoding",
    "adm.metrics.executors",
    "torch",
    "torch._dynamo",  # an optimiser imports it
    "pandas",
    "pandas.io.formats.style",
    "matplotlib.figure",
    "matplotlib.backends.backend_agg",
    "matplotlib.backends.backend_pdf",
    "scipy.stats",
    "safetensors.torch",
    "PIL.Image",
)
"""Modules that many jobs import, and that take long."""

STARTED: list[subprocess.Popen[bytes]] = []
"""Keeps the pipe open that tells the process that this one lives."""

LENGTH_BYTES = 4
"""Bytes of a number between the processes: of a length, a PID or an exit code."""


def start(*params: str) -> None:
    """Start the process, which reads params files; later jobs of this one find it. It ends after this one and them."""
    folder = tempfile.mkdtemp(prefix="adm-")
    os.environ[PLACE] = str(Path(folder) / "socket")
    # Its input stays open as long as this process lives. It has a session of its own: a terminal's Ctrl-C reaches the
    # callers, which hand it on.
    command = [sys.executable, "-m", "adm.fork_server", *params]
    STARTED.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))


def run_in_fork(arguments: list[str]) -> int | None:
    """Run a command line in a fork of the process; return its exit code, or None if there is no such process."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.environ[PLACE])
        request = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
        message = json.dumps(request).encode()
        socket.send_fds(connection, [len(message).to_bytes(LENGTH_BYTES)], [0, 1, 2])
        connection.sendall(message)
        # It may still be importing. To wait is sooner than to import beside it; nothing comes if it fails.
        job = int.from_bytes(connection.recv(LENGTH_BYTES, socket.MSG_WAITALL))
    except (KeyError, OSError):
        return None
    if not job:
        return None
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        # Ctrl-C is ignored in what a script starts in the background; other signals are the job's affair.
        if (number, signal.getsignal(number)) != (signal.SIGINT, signal.SIG_IGN):
            signal.signal(number, lambda number, _: _send(job, number))
    code = connection.recv(LENGTH_BYTES, socket.MSG_WAITALL)
    return int.from_bytes(code) if code else 128 + signal.SIGKILL


def serve() -> None:
    """Listen, import the libraries, then fork once a caller, until the process that started this one has ended."""
    path = os.environ.pop(PLACE)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(path)
    listening.listen()
    for module in MODULES:
        import_module(module)
    for params in sys.argv[1:]:
        with suppress(import_module("adm.errors").UserError):  # a job tells of it
            _ = import_module("adm.pipeline").pipeline_of(Path(params)).jobs
    # Else every job's garbage collector walks through, and thus copies, all that was imported: a quarter of a second.
    gc.collect()
    gc.freeze()
    os.chdir("/")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nothing is asked of those that see to a job each
    # Its input is readable when it is closed.
    while 0 not in select.select([0, listening.fileno()], [], [])[0]:
        connection, _ = listening.accept()
        if not os.fork():
            listening.close()
            _see_to(connection)
        connection.close()
    Path(path).unlink()
    Path(path).parent.rmdir()


def _see_to(connection: socket.socket) -> NoReturn:
    """Start the job that a caller asks for, whom its PID and its exit code are told; kill it if the caller is."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    length, streams, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    message = connection.recv(int.from_bytes(length), socket.MSG_WAITALL)
    job = os.fork()
    if not job:
        connection.close()
        _run(json.loads(message), streams)
    for stream in streams:
        os.close(stream)
    with suppress(OSError):
        connection.sendall(job.to_bytes(LENGTH_BYTES))

    def end_with_caller() -> None:
        connection.recv(1)  # a caller sends nothing more: its end is closed when it ends
        _send(job, signal.SIGKILL)

    threading.Thread(target=end_with_caller, daemon=True).start()
    # Its PID stays its own until this process ends, too.
    ended = os.waitid(os.P_PID, job, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    code = ended.si_status + (0 if ended.si_code == os.CLD_EXITED else 128)
    with suppress(OSError):
        connection.sendall(code.to_bytes(LENGTH_BYTES))
    os._exit(0)


def _run(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the job: take over what belongs to its caller, and run the command line."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        for target, stream in enumerate(streams):
            os.dup2(stream, target)
            os.close(stream)
        os.chdir(request["folder"])
        os.environ.clear()
        os.environ.update(request["environment"])
        del os.environ[PLACE]  # processes that the job starts are its own
        sys.argv = ["adm", *request["arguments"]]
        import_module("adm.cli").main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        os._exit(code)


def _send(job: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(job, number)


if __name__ == "__main__":
    serve()
    os._exit(0)  # Python's own end would have Triton list as leaked what is frozen
