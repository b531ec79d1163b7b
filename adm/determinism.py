"""Determinism: generators by name, a fixed number of threads, deterministic kernels."""

import ctypes
import sys

import numpy as np
import torch
from threadpoolctl import threadpool_limits


def generator(*path: int) -> torch.Generator:
    """Make a CPU generator that depends on its path alone; the global generator is not used.

    Args:
        path: What the numbers are for, such as (seed, step); each at least 0. Different paths have seeds of their
            own, also if they differ in length alone; torch takes the lower 32 bits, so one pair in 4e9 is alike.
    """
    (seed,) = seeds(range(1), *path)
    return torch.Generator().manual_seed(seed)


def seeds(rows: range, *path: int) -> list[int]:
    """Draw seeds of independent streams for some rows of a batch; a row's depends on the path and its number alone."""
    root, *branch = path
    states = np.random.SeedSequence(root, spawn_key=branch).generate_state(rows.stop, np.uint64)
    own: list[int] = states[rows.start :].tolist()
    return own


def allow_tf32(allowed: bool) -> None:
    """Let GPUs round the factors of float32 products and convolutions to TensorFloat-32, or keep them from it."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def make_deterministic(threads: int) -> None:
    """Fix the number of threads of this process and use deterministic kernels.

    The rounding of a sum depends on how threads split it. Call this after every import: it does not reach libraries
    that are loaded later.

    Args:
        threads: What the params file declares for the stage, whatever the machine has.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    # Does what `use_deterministic_algorithms(True)` does, but does not import the compiler, which takes two seconds.
    # On a GPU, attention then takes the flash or the memory-efficient kernel with backward passes in a fixed order, and
    # not cuDNN's; a kernel that has no fixed order raises an error. cuBLAS needs its workspaces, too (`adm.parallel`).
    # Source: torch, aten/src/ATen/native/transformers/cuda, attention_backward.cu and sdp_utils.cpp.
    torch.set_deterministic_debug_mode("error")
    # Filling new memory guards against kernels that read before they write. It takes time, and no kernel here does so.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if sys.platform == "linux" and hasattr(libc := ctypes.CDLL(None), "mallopt"):
        # The C library keeps freed memory: fetching pages anew for each feature map takes a twentieth of the time.
        libc.mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD of mallopt(3)
        libc.mallopt(-3, 2**25)  # M_MMAP_THRESHOLD
