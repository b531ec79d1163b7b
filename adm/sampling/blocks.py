"""Blocks of seeds, the unit of computation: a kernel sees the same batch however a run is cut into shards."""

import re
from dataclasses import dataclass
from typing import Self

from adm.errors import UserError


@dataclass(frozen=True)
class Shard:
    """The i-th of n shards of a run, i from 1 to n, written "i-of-n"."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read "i-of-n".

        Raises:
            UserError: The text is not of the form i-of-n, or i is not in 1 .. n.
        """
        match = re.fullmatch(r"([0-9]+)-of-([0-9]+)", text)
        if not match or not 1 <= int(match[1]) <= int(match[2]):
            raise UserError(f"--shard {text!r}: is no shard; write i-of-n with 1 <= i <= n, such as 1-of-4")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.number}-of-{self.count}"


WHOLE = Shard(1, 1)


def blocks_of(shard: Shard, num_samples: int, micro_batch: int) -> range:
    """Number a shard's blocks. Block b holds seeds [b, b + 1) x micro_batch; shards differ by at most one block."""
    num_blocks = -(-num_samples // micro_batch)
    return range(num_blocks * (shard.number - 1) // shard.count, num_blocks * shard.number // shard.count)


def samples_of(shard: Shard, num_samples: int, micro_batch: int) -> range:
    """Number the samples of a shard's blocks; a run's last block is computed whole, then cut to size."""
    blocks = blocks_of(shard, num_samples, micro_batch)
    return range(min(blocks.start * micro_batch, num_samples), min(blocks.stop * micro_batch, num_samples))
