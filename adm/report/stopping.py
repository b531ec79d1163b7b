"""When to stop training: which checkpoints may be the best, whether the model copies its images, and since when."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from adm.metrics.intervals import Draws, band, block_of, draws_of, interval
from adm.metrics.jackknife import jackknife, means_without
from adm.params.schema import Sections
from adm.params.tables import OwnTableParams
from adm.report.evidence import Evidence, metric_draws
from adm.report.metrics import Inputs, read_score
from adm.sampling.studies import Likelihood, read_study


def when_to_stop(params: Sections, section: OwnTableParams, inputs: Inputs, table: pd.DataFrame) -> str:
    """Say which of a table's checkpoints may be the best and which copy; add the column of their losses to the table.

    The last checkpoint is tested for copies, then the one before it, until one has none. So with 95 % no checkpoint is
    said to copy that does not, however many there are. 2.33 errors instead of 1.64 make this true of simulated features
    in few dimensions, too, where the errors are too small.

    Source: Maurer, Hothorn & Lehmacher (1995), for tests in a fixed order.
    """
    runs = list(section.rows.values())
    at = [f"{params.iteration_of(params.checkpoint_of(run)):,} iterations" for run in runs]
    evidence = Evidence(scores={run: read_score(params, run, inputs) for run in runs})
    kid = metric_draws("kid_held_out", runs, evidence)
    bits = [read_study(Likelihood, inputs["studies"][key]).bits for key in section.losses]
    loss = draws_of([block_of([jackknife(float(one.mean()), means_without(one), len(one)) for one in bits])])[0]
    table["Bits/dim, held out"] = [f"{one.mean():.3f} ± {one.std(ddof=1) / len(one) ** 0.5:.2g}" for one in bits]
    share, error = np.array([[evidence.scores[run].metrics[key] for run in runs] for key in ("copies", "copies_error")])
    first = max(np.flatnonzero(share <= 2.33 * error), default=-1) + 1
    found = f"The model memorises, from {at[first]} on" if first < len(at) else "No memorising is found"
    return (
        f"{_best('KID against held-out images', np.stack([kid[run] for run in runs], axis=1), at)} "
        f"{_best('loss of held-out images', loss, at)} "
        f"{found}: {share[-1]:.2g} ± {error[-1]:.2g} of the last samples are copies, beyond what real images have."
    )


def _best(what: str, draws: Draws, at: Sequence[str]) -> str:
    """Say where a number is least, and may be: clearly above no other, by a band over all differences of draws."""
    above, below = np.nonzero(~np.eye(len(at), dtype=bool))
    best, worse = int(draws[0].argmin()), above[band(draws[:, above] - draws[:, below])[0] > 0]
    others = ", ".join(each for place, each in enumerate(at) if place not in (best, *worse)) or "no other"
    least, low, high = interval(draws[:, best])
    return f"Best by {what}: {at[best]} ({least:.3g}, 95 %: {low:.3g} to {high:.3g}); {others} may be as good."
