"""The table of all benchmarks: its names, its head, and the rows of one of them."""

import sys
from contextlib import redirect_stdout
from importlib import import_module

NAMES = ("startup", "frechet", "features", "loading", "training", "sampling", "diffusers", "azula")
RIVALS = ("azula", "cleanfid", "denoising_diffusion_pytorch", "diffusers", "pytorch_fid", "smalldiffusion")
"""Packages that `make rivals` installs."""

HEADER = "| what | beside | ours, ms | theirs, ms | ratio |\n|---|---|---|---|---|"


def show(name: str, smallest: bool) -> None:
    """Print the rows of a benchmark as they are measured; a rival that is not installed ends them with a line."""
    # Whoever only starts the processes of benchmarks needs no torch.
    from adm.determinism import make_deterministic

    table = sys.stdout
    with redirect_stdout(sys.stderr):  # libraries print, too
        try:
            rows = import_module(f"benchmarks.{name}").rows
            make_deterministic(1)
            for row in rows(smallest):
                print(row, file=table, flush=True)
        except ModuleNotFoundError as error:
            if error.name not in RIVALS:
                raise
            print(f"| {name} | {error.name} is not installed: `make rivals` | | | |", file=table, flush=True)
