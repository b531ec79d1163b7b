"""Sections of the execution of stages, and of the resources of their jobs on a machine or a cluster."""

from typing import Annotated, Literal

from pydantic import Field

from adm.config.base import PositiveInt
from adm.params.section import Section


class ExecutionParams(Section):
    """How stages are executed; no result depends on it.

    Training reports every `log_every` iterations. It saves its rolling state every `save_every`, after `save_minutes`
    without a save, and when it is told to stop. Snakemake cuts each run into `shards`. Each of several processes of a
    job waits at most `timeout_seconds` for the others.
    `expected_minutes` is the measured time of the whole scale on two cores; null if it was not measured.
    """

    log_every: PositiveInt = 100
    save_every: PositiveInt = 1000
    save_minutes: Annotated[float, Field(gt=0)] = 5.0
    shards: PositiveInt = 1
    timeout_seconds: PositiveInt = 600
    expected_minutes: PositiveInt | None = None


class JobResources(Section):
    """Limits of a job: memory of all its processes on a node, in megabytes, and minutes; a retry gets twice as much."""

    memory_mb: PositiveInt = 4000
    minutes: PositiveInt = 1440


class ProcessResources(JobResources):
    """Resources of a job of several processes.

    Each of its `nodes` runs as many `processes`. Each process has the `threads` of the section that it computes and,
    with device "cuda", its own GPU.
    """

    nodes: PositiveInt = 1
    processes: PositiveInt = 1
    device: Literal["cpu", "cuda"] = "cpu"

    @property
    def world_size(self) -> int:
        """The number of processes on all nodes."""
        return self.nodes * self.processes


class ResourcesParams(Section):
    """Resources of jobs, by stage.

    `sample` also applies to studies that sample or encode, each in one process; `others` applies to every other stage.

    Samples and features do not depend on the number of processes. In training, the rounding of gradient sums depends
    on it. Rounding also depends on the device. A change of either does not run a stage again.
    """

    train: ProcessResources = ProcessResources()
    sample: ProcessResources = ProcessResources()
    features: ProcessResources = ProcessResources()
    others: JobResources = JobResources()
