"""The params file as a whole, and how it is read."""

from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import Field, ValidationError, model_validator

from adm.params import consistency
from adm.params.data import DatasetParams, ExtractorParams, ReferenceParams
from adm.params.errors import UserError
from adm.params.models import ModelParams, ProgressParams, SegmentParams
from adm.params.report import FiguresParams, TablesParams
from adm.params.runs import RunParams
from adm.params.section import Key, Section

MODEL_KINDS = ("diffusion", "upsampler", "classifier", "uniform")


class PathsParams(Section):
    """Where a scale's files are, which its dvc.yaml cannot tell by itself.

    `project` leads from the params file's folder to the project's root; the others start at that root.
    """

    project: Annotated[str, Field(pattern=r"^\.(\.(/\.\.)*)?$")]
    params: Annotated[str, Field(pattern=r"^[a-z0-9_./-]+\.yaml$")]
    results: Annotated[str, Field(pattern=r"^results/[a-z0-9_-]+$")]


class Params(Section):
    """A whole params file: one schema for every scale."""

    paths: PathsParams
    progress: ProgressParams
    datasets: dict[Key, DatasetParams]
    extractors: dict[Key, ExtractorParams]
    models: dict[Key, ModelParams]
    segments: dict[Key, SegmentParams]
    references: dict[Key, ReferenceParams]
    runs: dict[Key, RunParams]
    tables: TablesParams
    figures: FiguresParams

    def model_of(self, checkpoint: str) -> str:
        """The key of the model that a checkpoint is of; `<model>-0` is the initial one.

        Raises:
            ValueError: There is no such checkpoint.
        """
        if checkpoint in self.segments:
            return self.segments[checkpoint].model
        model = checkpoint.removesuffix("-0")
        if model != checkpoint and model in self.models:
            return model
        known = [*self.segments, *(f"{model}-0" for model in self.models)]
        raise ValueError(f"{checkpoint!r} is no checkpoint; there are {', '.join(known)}")

    def iteration_of(self, checkpoint: str) -> int:
        """The training iteration that a checkpoint was taken at."""
        return self.segments[checkpoint].stop if checkpoint in self.segments else 0

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        consistency.check(self)
        return self


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML's safe loader, but for a key given twice, which it would pass over in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        for key in keys:
            if keys.count(key) > 1 and key != "<<":
                raise yaml.constructor.ConstructorError(None, None, f"key {key!r} stands twice", node.start_mark)
        return super().construct_mapping(node, deep)


def load(path: Path | str) -> Params:
    """Read and check a params file.

    Raises:
        UserError: The file is missing, no YAML, or breaks the schema; names the key, the value and what is accepted.
    """
    return check(read(path), str(path))


def read(path: Path | str) -> Any:
    """Read a params file without checking it.

    Raises:
        UserError: The file is missing or no YAML.
    """
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is no YAML: byte {error.start} is not UTF-8") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: is no YAML: {' '.join(str(error).split())}") from error


def check(data: Any, name: str) -> Params:
    """Check the parsed content of a params file.

    Args:
        data: What YAML gave.
        name: The file's name, for messages.

    Raises:
        UserError: The content breaks the schema.
    """
    try:
        return Params.model_validate(data)
    except ValidationError as error:
        first, *others = error.errors(include_url=False)
        more = f" (and {len(others)} more)" if others else ""
        raise UserError(f"{name}: {_line(dict(first))}{more}") from error


def _line(error: dict[str, Any]) -> str:
    # A union's tag stands in pydantic's location, but it is no key of the file.
    parts = [str(part) for part in error["loc"] if part != "[key]"]
    if len(parts) > 2 and parts[0] == "models" and parts[2] in MODEL_KINDS:
        del parts[2]
    if error["type"].startswith("union_tag"):
        kinds = ", ".join(MODEL_KINDS)
        tag = error["ctx"].get("tag")
        found = f"{tag!r} is not accepted" if tag else "is missing"
        return f"{'.'.join(parts)}.kind: {found}; accepted are {kinds}"
    place = ".".join(parts) or "the file as a whole"
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "missing":
        return f"{place}: is missing"
    if error["type"] == "value_error":
        return f"{place}: {message}" if parts else message
    return f"{place}: {error['input']!r} is not accepted: {message[0].lower()}{message[1:]}"
