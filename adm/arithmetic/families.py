"""Families of schedules, as in Table 15, and the rounds of a search among one's members."""

import math
from functools import cache

KEPT = 4
"""A round of a search keeps one of so many members for the next, which looks at so many times as many images."""

Rounds = list[tuple[int, int]]
"""For each round, how many members take part, and how many images each is scored on."""


@cache
def family_size(total: int, sections: int, most: int) -> int:
    """The number of ways to give `total` steps to `sections`, each at most `most`."""
    if sections == 0:
        return int(total == 0)
    return sum(family_size(total - part, sections - 1, most) for part in range(min(most, total) + 1))


def family_member(rank: int, total: int, sections: int, most: int) -> list[int]:
    """The steps of each section of the `rank`-th member, from 0 to `family_size` - 1, in lexicographic order."""
    parts: list[int] = []
    for left in reversed(range(sections)):
        part = 0
        while rank >= (count := family_size(total - part, left, most)):
            rank -= count
            part += 1
        parts.append(part)
        total -= part
    return parts


def rounds_of(members: int, num_images: int) -> Rounds:
    """The rounds of successive halving, here quartering: all have about the same cost.

    The last one scores at most KEPT members, each on all images.

    Source: successive halving of Jamieson & Talwalkar (2016), with a factor of KEPT instead of 2.
    """
    rounds = [(members, num_images)]
    while rounds[-1][0] > KEPT:
        rounds.append((math.ceil(rounds[-1][0] / KEPT), num_images))
    last = len(rounds) - 1
    return [(count, images // KEPT ** (last - place)) for place, (count, images) in enumerate(rounds)]
