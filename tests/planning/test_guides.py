"""What a second prediction of the noise and an interval cost, by hand."""

import pytest

from adm.config.models import NoiseParams
from adm.nets.cost import network_cost
from adm.report.run_tables import trained_for

pytestmark = pytest.mark.xdist_group("planning")

BLOCKS = {32: 1563, 64: 782}
"""Blocks that hold 50,000 images, by their size."""


def flops_of(costs, run):
    return sum(costs[f"sample_shard/{run}/{number}-of-8"].flops for number in range(1, 9))


def test_classifier_free_guidance_and_autoguidance_cost_a_second_pass(paper, costs):
    images = 32 * BLOCKS[32]
    for plain, guided in (("free-128-1", "free-128-2"), ("free-128-1", "auto-128-2")):
        model, weaker = (paper.models[name] for name in ("adm-128-free", "adm-128"))
        assert flops_of(costs, plain) == 250 * images * network_cost(model).flops
        assert flops_of(costs, guided) == 250 * images * (network_cost(model).flops + network_cost(weaker).flops)


def test_outside_the_interval_the_classifier_costs_nothing(paper, costs):
    run = paper.runs["limited-128-2"]
    guided = run.guided_steps(NoiseParams())
    assert 0 < guided < 250
    model, classifier = (paper.models[name] for name in ("adm-128", "classifier-128"))
    images = run.micro_batch * BLOCKS[run.micro_batch]
    expected = images * (250 * network_cost(model).flops + 2 * guided * network_cost(classifier).flops)
    assert flops_of(costs, "limited-128-2") == expected


def test_a_guide_counts_where_it_is_another_models(paper):
    assert trained_for(paper, "auto-128-2") == (["adm-128-4360k"], [])
    run = paper.runs["auto-128-2"]
    of_another = run.model_copy(update={"guide": run.guide.model_copy(update={"checkpoint": "adm-128-free-250k"})})
    changed = paper.model_copy(update={"runs": paper.runs | {"auto-128-2": of_another}})
    assert trained_for(changed, "auto-128-2") == (["adm-128-4360k", "adm-128-free-250k"], [])
