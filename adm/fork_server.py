"""A process that has imported the libraries, of which each of an engine's local jobs is a fork.

To start Python and import torch takes one to three seconds, which is more than many jobs of a small scale need. A fork
has the modules at once. It is a process of its own: with the caller's command line, folder, environment and streams,
and without anything that another job has computed. Whoever finds no such process starts in the usual way.
"""

import gc
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

PLACE = "ADM_FORK_SERVER"
"""Environment variable with the path of the socket at which the process listens."""

MODULES = (
    "adm.cli",
    "torch",
    "torch._dynamo",  # an optimiser imports it
    "pandas",
    "matplotlib.figure",
    "scipy.stats",
    "safetensors.torch",
    "PIL.Image",
)
"""Modules that most jobs import, by the time that this takes."""

STARTED: list[subprocess.Popen[bytes]] = []
"""Keeps the pipe open that tells the process that this one lives."""

LENGTH_BYTES = 4
"""Bytes of a number between the processes: of a length, a PID or an exit status."""


def start() -> None:
    """Start the process; jobs that this process starts from now on find it. It ends when this process and they have."""
    folder = tempfile.mkdtemp(prefix="adm-")
    os.environ[PLACE] = str(Path(folder) / "socket")
    # Its input stays open as long as this process lives. It has a session of its own: a terminal's Ctrl-C reaches the
    # callers, which hand it on.
    command = [sys.executable, "-m", "adm.fork_server"]
    STARTED.append(subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True))


def run_in_fork(arguments: list[str]) -> int | None:
    """Run a command line in a fork of the process; return its exit code, or None if there is no such process."""
    connection = socket.socket(socket.AF_UNIX)
    try:
        connection.connect(os.environ[PLACE])
    except (KeyError, OSError):
        return None
    message = json.dumps({"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}).encode()
    socket.send_fds(connection, [len(message).to_bytes(LENGTH_BYTES)], [0, 1, 2])
    connection.sendall(message)
    job = int.from_bytes(connection.recv(LENGTH_BYTES, socket.MSG_WAITALL))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        # Ctrl-C is ignored in what a script starts in the background; other signals are the job's affair.
        if (number, signal.getsignal(number)) != (signal.SIGINT, signal.SIG_IGN):
            signal.signal(number, lambda number, _: _send(job, number))
    ended = connection.recv(LENGTH_BYTES, socket.MSG_WAITALL)
    code = os.waitstatus_to_exitcode(int.from_bytes(ended)) if ended else -signal.SIGKILL
    return code if code >= 0 else 128 - code


def serve() -> None:
    """Import the libraries, then fork once a caller, until the process that started this one has ended."""
    path = os.environ.pop(PLACE)
    for module in MODULES:
        import_module(module)
    # Else every job's garbage collector walks through, and thus copies, all that was imported: a quarter of a second.
    gc.collect()
    gc.freeze()
    os.chdir("/")
    callers: dict[int, socket.socket] = {}
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    with socket.socket(socket.AF_UNIX) as listening, selectors.DefaultSelector() as selector:
        listening.bind(path)
        listening.listen()
        for readable in (0, woken, listening):
            selector.register(readable, selectors.EVENT_READ)
        while callers or 0 in selector.get_map():
            for key, _ in selector.select():
                if key.fileobj is listening:
                    connection, _ = listening.accept()
                    job = _fork(connection, [listening, *callers.values()])
                    callers[job] = connection
                    selector.register(connection, selectors.EVENT_READ, job)
                elif key.fileobj == woken:
                    os.read(woken, 4096)
                    for job, status in _ended():
                        with suppress(OSError), callers.pop(job) as connection:
                            with suppress(KeyError):
                                selector.unregister(connection)
                            connection.sendall(status.to_bytes(LENGTH_BYTES))
                elif key.fileobj == 0:
                    selector.unregister(0)
                    selector.unregister(listening)
                else:  # a caller sends nothing more: it was killed
                    selector.unregister(key.fileobj)
                    _send(key.data, signal.SIGKILL)
    Path(path).unlink()
    Path(path).parent.rmdir()


def _fork(connection: socket.socket, others: list[socket.socket]) -> int:
    """Start the job that a caller asks for; return its PID, which the caller is told, too."""
    length, streams, _, _ = socket.recv_fds(connection, LENGTH_BYTES, 3)
    message = connection.recv(int.from_bytes(length), socket.MSG_WAITALL)
    job = os.fork()
    if not job:
        for other in (*others, connection):
            other.close()
        _run(json.loads(message), streams)
    for stream in streams:
        os.close(stream)
    with suppress(OSError):
        connection.sendall(job.to_bytes(LENGTH_BYTES))
    return job


def _run(request: dict[str, Any], streams: list[int]) -> NoReturn:
    """Become the job: take over what belongs to its caller, and run the command line."""
    code = 1
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
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


def _ended() -> list[tuple[int, int]]:
    """Collect the PIDs and states of jobs that have ended since the last call."""
    jobs = []
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            jobs.append(ended)
    return jobs


def _send(job: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(job, number)


if __name__ == "__main__":
    serve()
