"""`gather`: joins the shards of a run into the same batch that `sample` writes without shards."""

from itertools import chain
from pathlib import Path

from adm.artifacts.class_names import names_for_run
from adm.artifacts.manifest import MadeBy
from adm.params.runs import SamplingParams
from adm.sampling.batch import read_shard, write_blocks
from adm.sampling.blocks import Shard


def run(run: SamplingParams, inputs: dict[str, Path], out: Path, made_by: MadeBy) -> None:
    """Join shards a stretch of images at a time; `inputs` are those of `sample`, and "shards/N-of-M" in order."""
    shards = [path for name, path in inputs.items() if name.startswith("shards/")]
    parts = (read_shard(path, run, made_by, Shard(number, len(shards))) for number, path in enumerate(shards, start=1))
    write_blocks(out, made_by, run.num_samples, chain.from_iterable(parts), names_for_run(inputs))
