"""`plan`: what a params file costs, before anything runs."""

from collections.abc import Iterator

from adm.nets import PRESETS
from adm.nets.cost import network_cost
from adm.params import Params
from adm.pipeline import Pipeline
from adm.planning import tables
from adm.planning.costs import costs_of
from adm.planning.devices import published_share
from adm.planning.images import ImageCounts
from adm.planning.work import Shares


def run(params: Params) -> Iterator[str]:
    """Yield the lines of a plan, in Markdown.

    Raises:
        UserError: The images of a dataset cannot be counted.
    """
    costs, train_gpus = costs_of(ImageCounts(Pipeline(params))), params.resources.train.world_size
    made = {
        "What the jobs compute, and days of one device at the shares of its peak that the paper reached": (
            tables.time_table(costs)
        ),
        f"Days that no schedule beats, with up to {train_gpus} GPUs a training job": (
            tables.machine_table(costs, train_gpus, published_relative())
        ),
        "The longest chain of jobs on A100s, of it those of an hour and more": tables.chain_table(costs, train_gpus),
        "The longest job of each kind on one A100, if it takes a minute": tables.longest_table(costs),
        "What lies in the results folder": tables.storage_table(costs),
    }
    for caption, table in made.items():
        yield from (
            f"{caption}:",
            "",
            *table.fillna("").to_markdown(index=False, disable_numparse=True).splitlines(),
            "",
        )


def published_relative() -> float:
    """The published share of an A100's peak for the 64x64 network, divided by Table 7's share of a V100's peak."""
    share = published_share(network_cost(PRESETS["imagenet64"]).flops)
    return share / Shares.read().measured["diffusion", 64]
