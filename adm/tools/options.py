"""Flags of the tools, as the sections that the library takes."""

import os
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from adm.metrics.module_features import Resize, Scaling
from adm.params.data import GraphParams
from adm.params.errors import UserError
from adm.tools.second_extractor import SecondExtractor


def graph_params(executor: Literal["torch", "tensorflow"], device: str, batch: int, threads: int | None) -> GraphParams:
    """How a graph is run; on all cores if `threads` is None.

    Raises:
        UserError: The library cannot run it so.
    """
    found = threads or len(os.sched_getaffinity(0))
    try:
        return GraphParams(executor=executor, feature_batch=batch, threads=found)
    except ValidationError as error:
        first = error.errors()[0]
        place = f"--{first['loc'][0]}: " if first["loc"] else ""
        raise UserError(place + first["msg"].removeprefix("Value error, ")) from error


def second_extractor(
    module: Path | None, resize: str | None, scaling: Scaling, device: str, batch: int
) -> SecondExtractor | None:
    """The network that the user brings, if any.

    Raises:
        UserError: A resize without a network, or a network without one: what it sees must be named.
    """
    if module is None:
        if resize is not None:
            raise UserError(f"--resize {resize!r}: is for --module; the graph resizes by itself")
        return None
    if resize is None:
        raise UserError(f"--module {module}: needs --resize, such as bicubic-224")
    return SecondExtractor(module, Resize.parse(resize), scaling, device, batch)
