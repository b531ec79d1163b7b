"""Start-up of every verb: until its stage is imported, and whether torch or TensorFlow came with it."""

import subprocess
import sys
from collections.abc import Iterator
from functools import partial

from adm.pipeline import kinds
from benchmarks.clock import Timing, seconds

SCRIPT = "import adm.cli, {stage}, sys; print([n for n in ('torch', 'tensorflow') if n in sys.modules])"


def rows(smallest: bool) -> Iterator[Timing]:
    """A row a verb; TensorFlow comes later, when a graph is read or written."""
    stages = {kind.verb: kind.stage for kind in kinds().values()}
    started, repeats = (("resolve", "table"), 1) if smallest else (stages, 3)
    for verb in started:
        script = SCRIPT.format(stage=stages[verb])
        start = partial(subprocess.check_output, [sys.executable, "-c", script], text=True)
        what = f"start-up of {verb}, imports {start().strip()}"
        yield Timing(what, "", tuple(seconds(start) for _ in range(repeats)))
