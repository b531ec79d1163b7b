"""Section of what jobs take of a machine or a cluster."""

from typing import Literal

from adm.params.section import PositiveInt, Section


class JobResources(Section):
    """What a job may take: megabytes of memory and minutes, of all its processes; a retry is given twice as much."""

    memory_mb: PositiveInt = 4000
    minutes: PositiveInt = 1440


class ProcessResources(JobResources):
    """What a job of several processes takes.

    Each process has the `threads` of the section that it computes, and with device "cuda" a GPU of its own.
    """

    processes: PositiveInt = 1
    device: Literal["cpu", "cuda"] = "cpu"


class ResourcesParams(Section):
    """What jobs take, by stage.

    `sample` holds for the studies of single figures that sample or encode, too, each in one process; `others` for
    every other stage.

    Samples and features do not depend on the number of processes. Training's sums of gradients are rounded otherwise
    when there are more of them, and what any device computes is rounded its own way; neither has a stage run again.
    """

    train: ProcessResources = ProcessResources()
    sample: ProcessResources = ProcessResources()
    features: ProcessResources = ProcessResources()
    others: JobResources = JobResources()
