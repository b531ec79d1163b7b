"""What makes a computation a function of its inputs: named generators, fixed threads, deterministic kernels."""

import numpy as np
import torch
from threadpoolctl import threadpool_limits


def generator(*path: int) -> torch.Generator:
    """A CPU generator that is a function of its path alone; the global state is never touched.

    Args:
        path: What the numbers are for, such as (seed, step); all at least 0. Paths that differ, in length too, give
            independent streams.
    """
    root, *branch = path
    (seed,) = np.random.SeedSequence(root, spawn_key=branch).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(seed))


def settle(threads: int) -> None:
    """Fix this process's threads and ask for deterministic kernels: sums round by how they are split.

    Libraries that are loaded later are not reached: call it after every import.

    Args:
        threads: As the params file declares for the stage; not what the machine happens to have free.
    """
    torch.set_num_threads(threads)
    threadpool_limits(threads)
    # As `use_deterministic_algorithms(True)`, which would import the compiler for it, two seconds a job.
    torch.set_deterministic_debug_mode("error")
    # Filling fresh memory guards against kernels that read it before they write; it costs and none here does.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
