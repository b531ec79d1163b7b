"""Each process takes a GPU that no other holds; names stand for GPUs here, of which there are none."""

import subprocess
import sys
import tempfile
from types import SimpleNamespace

import pytest
import torch

from adm import machine
from adm.errors import UserError
from adm.parallel import resolve_device

NAMES = ["GPU-a", "GPU-b", "GPU-c"]

HOLDER = """
import sys
from adm.machine import take_gpu
print(take_gpu({names!r}, {first}), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Start another process that takes a GPU and keeps it; returns the process and which it took."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(machine, "_taken", [])
    started = []

    def start(first=0, names=NAMES):
        command = [sys.executable, "-c", HOLDER.format(names=names, first=first)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        started.append(process)
        return process, int(process.stdout.readline())

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_jobs_side_by_side_take_one_each_and_processes_of_a_job_begin_at_their_own(other):
    assert [other(first)[1] for first in (0, 0, 1)] == [0, 1, 2]


def test_the_last_that_is_free_is_found_before_the_one_that_was_tried_first(other):
    assert [other(first)[1] for first in (2, 1, 2)] == [2, 1, 0]


def test_a_process_keeps_the_one_it_has(other):
    other()
    assert [machine.take_gpu(NAMES), machine.take_gpu(NAMES)] == [1, 1]


def test_gpus_are_known_by_name_however_they_are_numbered(other):
    assert other()[1] == 0
    assert machine.take_gpu(NAMES[::-1], 2) == 0


def test_when_all_are_held_one_line_says_how_to_start_fewer(other):
    for _ in NAMES:
        other()
    message = "device 'cuda': other jobs hold all 3 GPUs here; give snakemake --resources gpu=3"
    with pytest.raises(UserError, match=message):
        machine.take_gpu(NAMES)


def test_the_device_of_a_process_is_the_gpu_that_it_took(other, monkeypatch):
    chosen = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(NAMES))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda number: SimpleNamespace(uuid=NAMES[number]))
    monkeypatch.setattr(torch.cuda, "set_device", chosen.append)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "as it was")
    backends = torch.backends.cuda.matmul, torch.backends.cudnn
    for backend in backends:
        monkeypatch.setattr(backend, "allow_tf32", True)
    other(1)
    assert resolve_device("cuda", 1) == torch.device("cuda", 2)
    assert chosen == [2]
    assert [backend.allow_tf32 for backend in backends] == [False, False]
    assert resolve_device("cpu", 7) == torch.device("cpu")
    with pytest.raises(UserError, match="is not here"):
        resolve_device("cuda", 3)


def test_one_that_was_killed_leaves_its_own(other):
    process, _ = other()
    process.kill()
    process.communicate()
    assert machine.take_gpu(NAMES) == 0
