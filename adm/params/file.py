"""The params file as a whole, and how it is read."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, ValidationError, model_validator

from adm.params import consistency
from adm.params.claims import AnyClaim, Claims
from adm.params.compute import ThroughputParams
from adm.params.data import DatasetParams, ExtractorParams, GraphParams, ReferenceParams
from adm.params.errors import UserError, shown
from adm.params.execution import ExecutionParams
from adm.params.figures import AnyFigureParams, Figures
from adm.params.gans import GanParams, GanRunParams
from adm.params.keys import accepted
from adm.params.models import ModelParams, SegmentParams, UniformModelParams
from adm.params.parsing import read_yaml
from adm.params.published import PublishedSamplesParams, PublishedSection
from adm.params.resources import ResourcesParams
from adm.params.runs import RunParams, UpsampledRunParams
from adm.params.section import Key, Section, kinds_of
from adm.params.studies import InterpolationParams, LikelihoodParams, NeighboursParams, VariationParams
from adm.params.tables import AnyTableParams, Tables

KINDS = {
    "models": ("diffusion", "upsampler", "classifier", "uniform"),
    "tables": kinds_of(AnyTableParams),
    "figures": kinds_of(AnyFigureParams),
    "claims": kinds_of(AnyClaim),
}
"""The kinds that entries of a section may be of."""


class PathsParams(Section):
    """Where a scale's files are, which its dvc.yaml cannot tell by itself.

    `project` leads from the params file's folder to the project's root; the others start at that root, and `params`
    leads back to the file, so that what is written lies in the project that holds it.
    """

    project: Annotated[str, Field(pattern=r"^\.(\.(/\.\.)*)?$")]
    params: Annotated[str, Field(pattern=r"^([a-z0-9_-][a-z0-9_.-]*/)*[a-z0-9_-][a-z0-9_.-]*\.yaml$")]
    results: Annotated[str, Field(pattern=r"^results/[a-z0-9_-]+$")]


class Params(Section):
    """A whole params file: one schema for every scale."""

    paths: PathsParams
    execution: ExecutionParams
    resources: ResourcesParams
    datasets: dict[Key, DatasetParams]
    extractors: dict[Key, ExtractorParams]
    models: dict[Key, ModelParams]
    segments: dict[Key, SegmentParams]
    gans: dict[Key, GanParams]
    references: dict[Key, ReferenceParams]
    published: PublishedSection
    runs: dict[Key, RunParams]
    upsampled_runs: dict[Key, UpsampledRunParams]
    gan_runs: dict[Key, GanRunParams]
    interpolations: dict[Key, InterpolationParams]
    neighbours: dict[Key, NeighboursParams]
    variations: dict[Key, VariationParams]
    likelihoods: dict[Key, LikelihoodParams]
    throughput: dict[Key, ThroughputParams]
    tables: Tables
    figures: Figures
    claims: Claims

    @property
    def scored(self) -> dict[str, RunParams | UpsampledRunParams | GanRunParams | PublishedSamplesParams]:
        """Every batch of samples that is scored, by its key, wherever it comes from."""
        return {**self.runs, **self.upsampled_runs, **self.gan_runs, **self.published.samples}

    @property
    def studies(self) -> dict[str, InterpolationParams | NeighboursParams | VariationParams | LikelihoodParams]:
        """Every study, by its key."""
        return {**self.interpolations, **self.neighbours, **self.variations, **self.likelihoods}

    @property
    def graphs(self) -> dict[str, GraphParams]:
        """Every graph that features come from, trained here or published."""
        return {**self.extractors, **self.published.graphs}

    def model_of(self, checkpoint: str) -> str:
        """The key of the model that a checkpoint is of; `<model>-0` is the initial one.

        Raises:
            ValueError: There is no such checkpoint.
        """
        if checkpoint in self.segments:
            return self.segments[checkpoint].model
        if checkpoint in self.published.checkpoints:
            return self.published.checkpoints[checkpoint].model
        model = checkpoint.removesuffix("-0")
        if model != checkpoint and model in self.models:
            return model
        known = [*self.segments, *self.published.checkpoints, *(f"{model}-0" for model in self.models)]
        raise ValueError(f"{checkpoint!r} is no checkpoint; {accepted(known, checkpoint)}")

    def sections_of_segment(self, segment: str) -> dict[str, Section]:
        """What `train` reads of a segment, by the names, and in the order, in which it keeps that."""
        section = self.segments[segment]
        return {"segment": section, "model": self.models[section.model]}

    def sections_of_throughput(self, key: str) -> dict[str, Section]:
        """What `throughput` reads of a measurement, by the names in which it keeps that."""
        section = self.throughput[key]
        return {"throughput": section, "model": self.models[section.model]}

    def iteration_of(self, checkpoint: str) -> int:
        """The training iteration that a checkpoint was taken at."""
        if checkpoint in self.published.checkpoints:
            return self.published.checkpoints[checkpoint].iteration
        return self.segments[checkpoint].stop if checkpoint in self.segments else 0

    def chain(self, checkpoint: str) -> list[str]:
        """The segments that lead to a checkpoint, from the first on; none where it is initial or published."""
        found: list[str] = []
        while checkpoint in self.segments:
            found.insert(0, checkpoint)
            checkpoint = self.segments[checkpoint].previous
        return found

    def checkpoint_of(self, run: str) -> str:
        """The checkpoint that a run samples.

        Raises:
            ValueError: The run is of a GAN, or published: it has none.
        """
        owner = self.scored[run]
        if isinstance(owner, RunParams | UpsampledRunParams):
            return owner.checkpoint
        raise ValueError(f"run {run!r} is sampled from no checkpoint")

    def image_size_of(self, run: str) -> int:
        """The side of a run's images."""
        owner = self.scored[run]
        if isinstance(owner, PublishedSamplesParams):
            return owner.image_size
        if isinstance(owner, GanRunParams):
            return self.datasets[self.gans[owner.gan].dataset].image_size
        model = self.models[self.model_of(owner.checkpoint)]
        assert not isinstance(model, UniformModelParams)
        return model.network.image_size

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        consistency.check(self)
        return self


def load(path: Path | str) -> Params:
    """Read and check a params file.

    Raises:
        UserError: The file is missing, no YAML, breaks the schema, or lies elsewhere than it says; names the key, the
            value and what is accepted.
    """
    params = check(read(path), str(path))
    place, project = Path(path).resolve(), params.paths.project
    found = (place.parent / project / params.paths.params).resolve()
    if found != place:
        raise UserError(
            f"{path}: paths.params: {params.paths.params!r} is {found} where paths.project is {project!r}; this file's "
            "own path from the root of its project is accepted"
        )
    return params


def read(path: Path | str) -> Any:
    """Read a params file without checking it.

    Raises:
        UserError: The file is missing or no YAML.
    """
    try:
        return read_yaml(Path(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


def check(data: Any, name: str) -> Params:
    """Check the parsed content of a params file.

    Args:
        data: What YAML gave.
        name: The file's name, for messages.

    Raises:
        UserError: The content breaks the schema.
    """
    from adm.params.report_checks import check_report  # noqa: PLC0415

    try:
        params = Params.model_validate(data)
        check_report(params)
        return params
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(f"{name}: {_line(dict(first))}{more}") from error
    except ValueError as error:
        raise UserError(f"{name}: {error}") from error


def _line(error: dict[str, Any]) -> str:
    # A union's tag stands in pydantic's location, but it is no key of the file.
    parts = [part if isinstance(part, str) else shown(part) for part in error["loc"] if part != "[key]"]
    kinds = KINDS.get(parts[0], ()) if parts else ()
    if len(parts) > 2 and parts[2] in kinds:
        del parts[2]
    if error["type"].startswith("union_tag"):
        tag = error["ctx"].get("tag")
        found = f"{tag!r} is not accepted" if tag else "is missing"
        return f"{'.'.join(parts)}.kind: {found}; accepted are {', '.join(kinds)}"
    place = ".".join(parts) or "the file as a whole"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{place}: is missing"
    if error["type"] == "value_error":
        return f"{place}: {message}" if parts else message
    return f"{place}: {shown(error['input'])} is not accepted: {message[0].lower()}{message[1:]}"
