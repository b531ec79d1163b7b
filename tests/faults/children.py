"""Verbs in children of a server that has imported torch once, so that killing thirty of them takes seconds.

The server runs under a shim, `faults.c`, by which a child counts the calls that change files, has one of them fail, or
is killed just before one; and in a mount namespace of its own, where it has small and read-only disks.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).parent
KILLED = -signal.SIGKILL

NAMESPACES = (["unshare", "--mount"], ["unshare", "--user", "--map-root-user", "--mount"])
"""How a process gets mounts of its own: as root, or as anybody where the system lets one."""


@dataclass(frozen=True)
class Fault:
    """The `nth` call that changes files below `folder`, from 1 on, fails with `error`; with 0 the child is killed.

    No call is the 0th: then they are only counted.
    """

    folder: str
    nth: int
    error: int = 0


@dataclass(frozen=True)
class Ended:
    """How a child ended: its exit code, or minus the signal; what it printed; how many calls were counted."""

    code: int
    printed: str
    count: int


class Children:
    """A server and its children.

    Args:
        folder: For what children print, and the shim.
        environment: Of the children.
    """

    def __init__(self, folder, environment=os.environ):
        self.printed, self.count = folder / "printed", folder / "printed.count"
        self.shim = _compiled(folder / "faults.so")
        self.namespace = next((command for command in NAMESPACES if _gives_mounts(command, folder)), None)
        environment = {**environment, "OMP_NUM_THREADS": "1", **({"LD_PRELOAD": str(self.shim)} if self.shim else {})}
        self._server = subprocess.Popen(
            [*(self.namespace or []), sys.executable, HERE / "children_server.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def run(self, *arguments, **options):
        """Run a verb to its end; see `begin`."""
        self.begin(*arguments, **options)
        return self.end()

    def begin(self, *arguments, folder, fault=None, seconds=None, number=signal.SIGKILL, journalled=True):
        """Start a verb, with or without a journal; after `seconds` it is sent a signal. Return its PID.

        Nothing else can be asked for until `end` has been called.
        """
        self.count.unlink(missing_ok=True)
        request = {
            "arguments": [str(argument) for argument in arguments],
            "folder": str(folder),
            "printed": str(self.printed),
            "fault": fault and asdict(fault),
            "seconds": seconds,
            "number": number,
            "journalled": journalled,
        }
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        return int(self._server.stdout.readline())

    def end(self):
        """Wait for the verb."""
        code = int(self._server.stdout.readline())
        return Ended(code, self.printed.read_text(), int(self.count.read_text()) if self.count.exists() else 0)

    def mount(self, *arguments):
        """Call mount(8) where the children see it."""
        entered = ["nsenter", f"--target={self._server.pid}", "--mount"]
        if "--user" in self.namespace:
            entered += ["--user", "--preserve-credentials"]
        subprocess.run([*entered, "mount", *map(str, arguments)], check=True, capture_output=True)

    def seen(self, path):
        """The path at which this process finds what is at `path` for the children."""
        return Path(f"/proc/{self._server.pid}/root{path}")

    def close(self):
        """End the server."""
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()


def contents(folder):
    """The bytes of the files of a folder; None where there is none."""
    return {file.name: file.read_bytes() for file in folder.iterdir()} if folder.is_dir() else None


def _compiled(shim):
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None or sys.platform != "linux":
        return None
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", shim, HERE / "faults.c", "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return shim


def _gives_mounts(command, folder):
    if shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    trial = [*command, "mount", "-t", "tmpfs", "tmpfs", folder]
    return subprocess.run(trial, check=False, capture_output=True).returncode == 0
