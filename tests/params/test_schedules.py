"""Schedules that are found, in the params file: what is filled in, and what is refused before anything runs."""

import copy

import pytest

from adm.pipeline import Pipeline

BOUNDS = {"kind": "variational", "checkpoint": "lsun-bedroom", "num_images": 8}
SEARCH = {"kind": "search", "run": "bedroom-uniform", "known": ["9,6,6,2,2"], "num_samples": 400}
WHOLE = {
    "schedules": {"bounds": BOUNDS, "search": SEARCH},
    "runs.bound": "= runs.bedroom-uniform",
    "runs.bound.steps": "25",
    "runs.bound.schedule": "bounds",
    "runs.searched": "= runs.bound",
    "runs.searched.schedule": "search",
    "figures.found": {
        "kind": "schedules",
        "study": "bounds",
        "runs": {"one": "bound", "two": "bedroom-uniform"},
        "caption": "Found.",
    },
}


def whole(**changes):
    """Both kinds of schedules with runs and a figure of them, under further changes; nothing is shared."""
    return copy.deepcopy(WHOLE | changes)


STEPS, SEED = "runs.searched.steps", "runs.searched.seed"

REFUSED = {
    "schedule of nothing": (
        {"runs.bound.schedule": "bound"},
        "runs.bound.schedule",
        "'bound' is not among schedules",
        "bounds",
    ),
    "search like nothing": ({"schedules.search.run": "bedrom"}, "schedules.search.run", "'bedrom' is not among runs"),
    "bound of nothing": (
        {"schedules": {"bounds": BOUNDS | {"checkpoint": "lsun", "dataset": "bedroom"}, "search": SEARCH}},
        "schedules.bounds.checkpoint",
        "'lsun'",
    ),
    "bound of a classifier": (
        {"schedules.bounds.checkpoint": "classifier-128-0"},
        "schedules.bounds.checkpoint",
        "'classifier'",
    ),
    "key that is none": ({"schedules.search.budget": 3}, "schedules.search", "unknown key 'budget'", "candidates"),
    "no kind": ({"schedules.search": {"run": "bedroom-uniform"}}, "schedules.search.kind", "is missing"),
    "other kind": ({"schedules.search.kind": "sweep"}, "schedules.search.kind", "'sweep'", "variational, search"),
    "more steps than timesteps": ({"runs.bound.steps": "101"}, "runs.bound.steps", "'101'", "100"),
    "more steps than to choose from": (
        {"schedules.bounds.among": "20"},
        "runs.bound.steps",
        "25 is more than the 20 that 'bounds' chooses from",
    ),
    "more to choose from than timesteps": ({"schedules.bounds.among": "101"}, "schedules.bounds.among", "'101'"),
    "steps that choose timesteps": ({STEPS: "5,5,5,5,5"}, STEPS, "'5,5,5,5,5' chooses timesteps"),
    "steps that were not searched for": ({STEPS: "24"}, STEPS, "24 is not the 25 that 'search' is searched for"),
    "its own judge": ({"schedules.search.seed": 399}, SEED, "images 0 to 399 share seeds with the search 'search'"),
    "its own judge from behind": ({"schedules.search.seed": 7, SEED: 406}, SEED, "share seeds"),
    "sections that do not divide": (
        {"schedules.search.sections": 3},
        "schedules.search.sections",
        "3 does not divide",
        "100",
    ),
    "known one of other steps": ({"schedules.search.known": ["9,6,6,2,1"]}, "schedules.search.known", "'9,6,6,2,1'"),
    "known one of other sections": ({"schedules.search.known": ["13,12"]}, "schedules.search.known", "'13,12'"),
    "known one that overfills": ({"schedules.search.known": ["25,0,0,0,0"]}, "schedules.search.known", "at most 20"),
    "known one that is a stride": ({"schedules.search.known": ["ddim25"]}, "schedules.search.known", "'ddim25'"),
    "more candidates than there are": (
        {"runs.bedroom-uniform.steps": "99", "schedules.search.known": []},
        "schedules.search.candidates",
        "16 is not accepted",
        "there are 5",
    ),
    "fewer candidates than known": (
        {"schedules.search.known": ["9,6,6,2,2", "5,5,5,5,5"], "schedules.search.candidates": 1},
        "schedules.search.candidates",
        "1 is not accepted",
        "2 are known",
    ),
    "known one that stands twice": ({"schedules.search.known": ["9,6,6,2,2"] * 2}, "schedules.search.candidates"),
    "too few images": ({"schedules.search.num_samples": 15}, "schedules.search.num_samples", "15 leaves 3"),
    "search like a run that was searched for": (
        {"schedules.search.run": "bound"},
        "schedules.search.run",
        "'bound' has a schedule itself",
    ),
    "schedule of a longer process": (
        {"runs.scale-2.schedule": "bounds", "runs.scale-2.steps": "25"},
        "runs.scale-2.schedule",
        "100",
        "1000",
    ),
    "figure of a search": ({"figures.found.study": "search"}, "figures.found.study", "'search' is not among"),
    "figure of a longer process": ({"figures.found.runs.one": "scale-2"}, "figures.found.runs", "1000", "100"),
    "name of another study": (
        {"schedules.likelihood-250": BOUNDS},
        "schedules.likelihood-250",
        "names a study of likelihoods",
    ),
}


def test_what_fits_is_accepted_and_completed(checked):
    params = checked(whole())
    assert params.schedules["bounds"].checkpoint == "lsun-bedroom-800"
    assert params.schedules["bounds"].dataset == "bedroom"
    assert (params.schedules["search"].sections, params.schedules["search"].candidates) == (5, 16)


@pytest.mark.parametrize("case", REFUSED)
def test_a_mistake_is_refused_in_one_line_that_names_its_place(refusal, case):
    changes, place, *words = REFUSED[case]
    line = refusal(whole(**changes))
    assert line.startswith(f"{place}"), line
    for word in words:
        assert word in line, line


def test_seeds_may_touch(checked):
    checked(whole(**{"schedules.search.seed": 400}))
    checked(whole(**{"schedules.search.seed": 0, SEED: 400}))


def test_a_run_waits_for_its_schedule_and_that_for_what_it_is_found_by(checked):
    pipeline = Pipeline(checked(whole()))
    jobs = pipeline.jobs
    assert set(pipeline.after(jobs["sample/bound"])) == {"train/lsun-bedroom-800", "schedule/bounds"}
    assert set(pipeline.after(jobs["sample/searched"])) == {"train/lsun-bedroom-800", "schedule/search"}
    assert set(pipeline.after(jobs["schedule/bounds"])) == {"train/lsun-bedroom-800", "prepare/bedroom"}
    assert set(pipeline.after(jobs["schedule/search"])) == {
        *("train/lsun-bedroom-800", "extractor/digits", "reference/bedroom"),
    }
    assert set(pipeline.after(jobs["figure/found"])) == {"schedule/bounds"}
    cut = Pipeline(checked(whole()), shards=3)
    assert set(cut.after(cut.jobs["gather/bound"])) >= {"schedule/bounds", "sample_shard/bound/3-of-3"}
    assert "schedule/bounds" in cut.after(cut.jobs["sample_shard/bound/3-of-3"])


def test_a_run_without_a_schedule_has_the_values_that_it_had(checked):
    assert "schedule" not in checked({}).runs["bedroom-uniform"].values()
