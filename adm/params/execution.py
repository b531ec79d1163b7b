"""Section of the execution of stages."""

from adm.config.base import PositiveInt
from adm.params.section import Section


class ExecutionParams(Section):
    """How stages are executed; no result depends on it.

    Training reports every `log_every` iterations and saves its rolling state every `save_every`. Snakemake cuts each
    run into `shards`. Each of several processes of a job waits at most `timeout_seconds` for the others.
    `expected_minutes` is the measured time of the whole scale on two cores; null if it was not measured.
    """

    log_every: PositiveInt = 100
    save_every: PositiveInt = 1000
    shards: PositiveInt = 1
    timeout_seconds: PositiveInt = 600
    expected_minutes: PositiveInt | None = None
