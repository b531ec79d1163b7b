"""What the profile for Slurm grants short jobs is enough at the large scales, and of a group no more than two days."""

import pytest
import yaml
from miniature import ROOT
from snakemake.resources import Resource

from adm.planning.costs import SINGLE_SHARE
from adm.report.compute import V100

pytestmark = pytest.mark.xdist_group("planning")

MINUTE, TWO_DAYS = 60.0, 2 * 24 * 60.0
MARGIN = 2
"""What a job is granted, as a multiple of what its networks should take."""


@pytest.fixture(scope="module")
def profile():
    return yaml.safe_load((ROOT / "workflow" / "profiles" / "slurm" / "config.yaml").read_text())


@pytest.fixture(scope="module")
def granted(profile):
    unused = dict.fromkeys(["wildcards", "input", "async_run"])
    return {
        (rule, attempt): Resource.cli_evaluator("runtime", resources["runtime"], attempt=attempt, **unused)
        for rule, resources in profile["set-resources"].items()
        for attempt in range(1, profile["retries"] + 2)
    }


def test_features_of_a_run_have_time_enough(granted):
    # The products of DINOv2, the largest extractor, of 50,000 images, in float32 on the slowest kind of GPU.
    minutes = 50_000 * 162e9 / (SINGLE_SHARE * V100.single_flops) / MINUTE
    assert all(granted[rule, 1] >= MARGIN * minutes for rule in ("features", "reference_features"))


def test_each_time_a_short_job_is_tried_again_it_has_twice_as_much(granted):
    assert len(granted) == 3 * len({rule for rule, _ in granted})
    assert all(granted[rule, attempt] == granted[rule, 1] * 2 ** (attempt - 1) for rule, attempt in granted)


def test_no_group_asks_for_more_than_two_days(profile, granted):
    members, last = {}, profile["retries"] + 1
    for rule, group in profile["groups"].items():
        members.setdefault(group, []).append(rule)
    assert profile["group-components"].keys() <= members.keys()
    for group, rules in members.items():
        # Of adopted files each is a job of its own; of others a component is one job of each rule.
        each = max if group == "adopt" else sum
        minutes = each(granted[rule, last] for rule in rules) * profile["group-components"].get(group, 1)
        assert minutes <= TWO_DAYS, group
