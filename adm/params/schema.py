"""The whole params file: its sections, and look-ups between them."""

from functools import cache, cached_property
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, create_model

from adm.config.base import Distinct, PositiveInt
from adm.config.data import GraphParams
from adm.config.marks import sections_of
from adm.config.sampling import Evaluations
from adm.errors import UserError, brief
from adm.params.claims import ClaimParams
from adm.params.data import (
    DatasetParams,
    ExtractorParams,
    PublishedReferenceParams,
    PublishedSamplesParams,
    PublishedSection,
    ReferenceParams,
)
from adm.params.figures import AnyFigureParams
from adm.params.models import GanParams, ModelParams, SegmentParams
from adm.params.references import Scored
from adm.params.runs import (
    GanRunParams,
    InterpolationParams,
    LikelihoodParams,
    NeighboursParams,
    RunParams,
    SamplingParams,
    ThroughputParams,
    UpsampledRunParams,
)
from adm.params.section import Key, Section, count_key
from adm.params.tables import TableParams

ScoredSection = RunParams | UpsampledRunParams | GanRunParams | PublishedSamplesParams
ReferenceSection = ReferenceParams | PublishedReferenceParams

Groups = dict[Key, Annotated[list[Scored], Field(min_length=1), Distinct]]
"""Runs that differ only in the seed of training and in that of sampling, by a key that tables, curves and claims may
name in place of a run. `seeds` of models and GANs make them."""


class PathsParams(Section):
    """The results folder: relative to the project, or absolute, for example on a scratch disk."""

    results: Annotated[str, Field(pattern=r"^(results/[A-Za-z0-9_-]+|/[^\s{}]+)$")]


class ExecutionParams(Section):
    """How stages are executed; no result depends on it.

    Training reports every `log_every` iterations. It saves its rolling state every `save_every`, after `save_minutes`
    without a save, and when it is told to stop. Each of several processes of a job waits at most `timeout_seconds` for
    the others. `expected_minutes` is the measured time of the whole scale on two cores; null if it was not measured.
    """

    log_every: PositiveInt = 100
    save_every: PositiveInt = 1000
    save_minutes: Annotated[float, Field(gt=0)] = 5.0
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


class Setup(Section):
    """Where results lie, and how jobs are executed: no result depends on it."""

    paths: PathsParams
    execution: ExecutionParams = ExecutionParams()
    resources: ResourcesParams = ResourcesParams()


class Sections(Section):
    """The sections that results rest on, and look-ups between them: those of a whole params file, or an excerpt."""

    datasets: dict[Key, DatasetParams] = {}
    extractors: dict[Key, ExtractorParams] = {}
    models: dict[Key, ModelParams] = {}
    gans: dict[Key, GanParams] = {}
    references: dict[Key, ReferenceParams] = {}
    published: PublishedSection = PublishedSection()
    runs: dict[Key, RunParams] = {}
    upsampled_runs: dict[Key, UpsampledRunParams] = {}
    gan_runs: dict[Key, GanRunParams] = {}
    groups: Groups = {}
    interpolations: dict[Key, InterpolationParams] = {}
    neighbours: dict[Key, NeighboursParams] = {}
    likelihoods: dict[Key, LikelihoodParams] = {}
    throughput: dict[Key, ThroughputParams] = {}

    @cached_property
    def scored(self) -> dict[str, ScoredSection]:
        """Every scored batch of samples by its key: sampled here or published."""
        return {**self.runs, **self.upsampled_runs, **self.gan_runs, **self.published.samples}

    def members(self, key: str) -> list[str]:
        """Give the runs of a group, or the run itself."""
        return self.groups.get(key, [key])

    def section_of(self, key: str) -> ScoredSection:
        """Give the section of a run, or of the first run of a group."""
        return self.scored[self.members(key)[0]]

    @cached_property
    def curves(self) -> dict[str, list[str]]:
        """The keys of the runs of each curve, by its name."""
        by_curve: dict[str, list[str]] = {}
        for key, run in self.runs.items():
            if run.curve is not None:
                by_curve.setdefault(run.curve, []).append(key)
        return by_curve

    def curve_of(self, run: str) -> str | None:
        """Give the curve whose job scores a run; None if the run has jobs of its own."""
        return self.runs[run].curve if run in self.runs else None

    @cached_property
    def graphs(self) -> dict[str, GraphParams]:
        """Every feature graph by its key: trained here or published."""
        return {**self.extractors, **self.published.graphs}

    @cached_property
    def all_references(self) -> dict[str, ReferenceSection]:
        """Every reference by its key: fitted here or published."""
        return {**self.references, **self.published.references}

    @cached_property
    def segments(self) -> dict[str, SegmentParams]:
        """The segments of every model's training, by the key of the checkpoint at their end."""
        segments = {}
        for key, model in self.models.items():
            previous = f"{key}-0"
            for stop in model.checkpoints:
                assert model.dataset is not None
                segment = SegmentParams(model=key, dataset=model.dataset, previous=previous, stop=stop)
                segments[previous := f"{key}-{count_key(stop)}"] = segment
        return segments

    @cached_property
    def checkpoints(self) -> dict[str, str]:
        """The model of every checkpoint, by the checkpoint's key: trained or published ones, and `<model>-0`."""
        return {
            **{key: segment.model for key, segment in self.segments.items()},
            **{key: checkpoint.model for key, checkpoint in self.published.checkpoints.items()},
            **{f"{model}-0": model for model in self.models},
        }

    def model_of(self, checkpoint: str) -> str:
        """Give the key of a checkpoint's model; `<model>-0` is the initial checkpoint."""
        return self.checkpoints[checkpoint]

    def extractor_of(self, run: str) -> str:
        """Give the key of the graph for a run's features: that of its reference."""
        return self.all_references[self.scored[run].reference].extractor

    def iteration_of(self, checkpoint: str) -> int:
        """Give the training iteration of a checkpoint."""
        if checkpoint in self.published.checkpoints:
            return self.published.checkpoints[checkpoint].iteration
        return self.segments[checkpoint].stop if checkpoint in self.segments else 0

    def chain(self, checkpoint: str) -> list[str]:
        """Give the segments that lead to a checkpoint, first to last; an initial or published checkpoint has none."""
        segments: list[str] = []
        while checkpoint in self.segments:
            segments.insert(0, checkpoint)
            checkpoint = self.segments[checkpoint].previous
        return segments

    def checkpoint_of(self, run: str) -> str:
        """Give the checkpoint that a run, or the first run of a group, samples.

        Raises:
            ValueError: The run has none, because it belongs to a GAN or is published.
        """
        owner = self.section_of(run)
        if isinstance(owner, RunParams | UpsampledRunParams):
            return owner.checkpoint
        raise ValueError(f"run {run!r} is sampled from no checkpoint")

    def evaluations_of(self, run: str) -> Evaluations:
        """Tell how often sampling an image of a run, or of the first run of a group, evaluates its networks.

        Those of the run that it upsamples are not among them.

        Raises:
            ValueError: It evaluates none, because it belongs to a GAN or is published.
        """
        model = self.models[self.model_of(self.checkpoint_of(run))]
        section = self.section_of(run)
        assert isinstance(section, SamplingParams), run
        return section.evaluations(model.noise)

    def image_size_of(self, run: str) -> int:
        """Give the side of a run's images."""
        owner = self.scored[run]
        if isinstance(owner, PublishedSamplesParams):
            return owner.image_size
        if isinstance(owner, GanRunParams):
            return self.datasets[self.gans[owner.gan].dataset].side
        return self.models[self.model_of(owner.checkpoint)].network.image_size


GROUP = "adm.kinds"
"""The group of entry points by which packages beside this one declare kinds of jobs."""


@cache
def declared() -> list[Any]:
    """Give the kinds of jobs, each an `adm.pipeline.Kind`, that packages beside this one declare.

    Raises:
        UserError: One cannot be loaded.
    """
    kinds = []
    for point in sorted(entry_points(group=GROUP), key=lambda point: point.name):
        try:
            kinds.append(point.load())
        except Exception as error:  # whatever a module that is not ours raises
            raise UserError(f"{GROUP}: {point.name} ({point.value}) cannot be loaded: {brief(error)}") from error
    return kinds


@cache
def params_class() -> "type[Params]":
    """Give the class of whole params files: `Params`, and the sections that packages beside this one bring."""
    brought: dict[str, Any] = {
        kind.section: (dict[Key, kind.params], {})  # type: ignore[name-defined]
        for kind in declared()
        if kind.params
    }
    return create_model(Params.__name__, __base__=Params, __doc__=Params.__doc__, **brought) if brought else Params


@cache
def kinds_of_entries() -> dict[str, Any]:
    """Give the annotations of the entries of every section that holds sections, by names such as `published.graphs`."""
    parts = {f"published.{name}": field for name, field in PublishedSection.model_fields.items()}
    held = {name: get_args(field.annotation) for name, field in (params_class().model_fields | parts).items()}
    return {name: pair[1] for name, pair in held.items() if len(pair) == 2 and sections_of(pair[1])}


class Params(Sections, Setup):
    """A whole written-out params file: one schema for every scale. Sections that a file leaves out are empty."""

    tables: dict[Key, TableParams] = {}
    figures: dict[Key, Annotated[AnyFigureParams, Field(discriminator="kind")]] = {}
    claims: dict[Key, ClaimParams] = {}
