"""Schedules that are found: the bound that likelihoods measure, the winner of a search, and runs that visit them."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import make, record

from adm.artifacts.manifest import identity, read_manifest, write_manifest
from adm.artifacts.writing import new_folder
from adm.config.models import NoiseParams
from adm.config.respacing import family_member, family_size, respaced_timesteps, rounds_of
from adm.data.shards import ImageShards, write_shards
from adm.diffusion.bound import pair_terms
from adm.errors import UserError
from adm.metrics.batches import write_reference
from adm.metrics.features import Features
from adm.metrics.statistics import feature_statistics
from adm.params.data import DatasetParams, ExtractorParams
from adm.params.runs import RunParams
from adm.params.studies import LikelihoodParams, SearchParams, VariationalParams, VariationParams
from adm.sampling.batch import read_batch
from adm.sampling.found_schedules import (
    SearchedSchedule,
    VariationalSchedules,
    draw_members,
    halving,
    timesteps_of,
    winner,
)
from adm.sampling.likelihood import least_bounds, measure
from adm.sampling.studies import Variation, read_study, write_study
from adm.stages import init, sample, schedule, vary

T = 50
BOUND = {"kind": "variational", "checkpoint": "model-0", "dataset": "any", "num_images": 7, "micro_batch": 3, "seed": 5}
RUN = {"checkpoint": "model-0", "steps": "2", "num_samples": 8, "micro_batch": 4, "reference": "any"}
SEARCH = {"kind": "search", "run": "run", "candidates": 5, "num_samples": 16, "seed": 100, "known": ["1,1,0,0,0"]}


# Families and rounds.


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 5))
def test_members_of_a_family_are_all_ways_to_divide_the_steps_in_order(total, sections, most):
    ways = [parts for parts in product(range(most + 1), repeat=sections) if sum(parts) == total]
    assert family_size(total, sections, most) == len(ways)
    assert [tuple(family_member(rank, total, sections, most)) for rank in range(len(ways))] == ways


def test_the_paper_swept_over_eight_of_many():
    assert family_size(250, 5, 200) == sum(
        family_size(250 - first, 4, 200) for first in range(201)
    )  # by the first section
    assert family_size(25, 5, 20) > 20_000


def test_drawn_members_differ_fit_the_family_and_begin_with_the_known_ones():
    known = ["9,6,6,2,2", "5,5,5,5,5"]
    drawn = draw_members(3, 16, 25, 5, 20, known)
    assert drawn[:2] == known
    assert len(set(drawn)) == len(drawn) == 16
    for steps in drawn:
        assert len(respaced_timesteps(100, steps)) == 25
    assert drawn == draw_members(3, 16, 25, 5, 20, known) != draw_members(4, 16, 25, 5, 20, known)
    assert len(draw_members(0, family_size(4, 3, 2), 4, 3, 2, ["2,2,0"])) == family_size(4, 3, 2)


@pytest.mark.parametrize(
    ("members", "images", "rounds"),
    [
        (1, 9, [(1, 9)]),
        (4, 40, [(4, 40)]),
        (5, 40, [(5, 10), (2, 40)]),
        (16, 400, [(16, 100), (4, 400)]),
        (64, 1600, [(64, 100), (16, 400), (4, 1600)]),
    ],
)
def test_rounds_keep_a_quarter_on_four_times_the_images(members, images, rounds):
    assert rounds_of(members, images) == rounds


# The search.


def test_a_search_over_a_whole_family_finds_a_planted_optimum_through_noise_that_images_average_out():
    total, sections, most = 8, 3, 5
    size, planted = family_size(total, sections, most), np.array([4, 3, 1])
    candidates = draw_members(0, size, total, sections, most)
    rng = np.random.default_rng(0)
    noise = {steps: rng.uniform(-1, 1) for steps in candidates}

    def score(steps, images):
        away = np.abs(np.array(steps.split(","), int) - planted).sum()
        return away + 2 * noise[steps] / images

    trials = halving(candidates, rounds_of(size, 64), score)
    assert winner(trials).steps == "4,3,1"
    assert trials == halving(candidates, rounds_of(size, 64), score)


def test_only_the_best_quarter_goes_on_and_the_winner_is_one_of_the_last_round():
    scores = {str(place): float(place) for place in range(16)}

    def score(steps, images):
        # The last round turns the order of those that are left.
        return scores[steps] if images < 100 else -scores[steps]

    trials = halving(list(scores), rounds_of(16, 100), score)
    assert [trial.steps for trial in trials[16:]] == ["0", "1", "2", "3"]
    assert winner(trials).steps == "3"


class Projected:
    """An executor whose features tell images apart; it counts what it is shown."""

    def __init__(self):
        self.weight = np.random.default_rng(1).standard_normal((8 * 8 * 3, 3))
        self.shown = []

    def features(self, chunks, batch_size):
        images = np.concatenate(list(chunks))
        self.shown.append(len(images))
        pool = (images.reshape(len(images), -1) / 255 @ self.weight).astype(np.float32)
        return Features(pool, pool, pool)


@pytest.fixture
def checkpoint(tmp_path, tiny_model, randomised, monkeypatch):
    monkeypatch.setattr(init, "build", randomised)
    make(init, tiny_model(), tmp_path / "model-0")
    return tmp_path / "model-0"


@pytest.fixture
def searched(checkpoint, tmp_path, tiny_model, dataset, monkeypatch):
    """Search into a folder; `interrupted=n` stops as the n-th block is sampled. Tells how many were sampled."""
    executor = Projected()
    real = executor.features([dataset[:]], 4)
    monkeypatch.setattr(schedule, "open_graph", lambda *_: executor)
    graph, reference = tmp_path / "graph", tmp_path / "reference"
    with new_folder(graph) as folder:
        (folder / "graph.pb").write_bytes(b"graph")
        write_manifest(folder, record("extractor", {}, {}, []))
    with new_folder(reference) as folder:
        fitted = feature_statistics(real.pool)
        write_reference(folder, fitted, fitted, 24, [dataset[:]])
        write_manifest(folder, record("reference", {}, {}, []), {"graph": identity(graph)})
    inputs = {"checkpoint": checkpoint, "graph": graph, "reference": reference}
    extractor = ExtractorParams.model_validate({"dataset": "any", "side": 8, "iterations": 1, "least_accuracy": 0})
    made, sampled = schedule.block_sampler, []

    def run(name, interrupted=None, section=None, like=None, **changed):
        sampled.clear()

        def counted(*arguments):
            compute = made(*arguments)

            def one(block):
                if len(sampled) == interrupted:
                    raise KeyboardInterrupt
                sampled.append((arguments[0].steps, block))
                return compute(block)

            return one

        monkeypatch.setattr(schedule, "block_sampler", counted)
        arguments = [section or SearchParams.model_validate(SEARCH), tiny_model(), inputs | changed, tmp_path / name]
        like = like or RunParams.model_validate(RUN)
        make(schedule, *arguments, "cpu", like, None, extractor, tmp_path / "work")
        return list(sampled)

    run.folder, run.executor = tmp_path, executor
    return run


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_search_writes_its_winner_and_every_score(searched):
    sampled = searched("out")
    found = read_study(SearchedSchedule, searched.folder / "out")
    assert found.images.tolist() == [4] * 5 + [16] * 2 == searched.executor.shown[1:]
    assert found.candidates[0].tolist() == [1, 1, 0, 0, 0]
    assert (found.candidates.sum(axis=1) == 2).all()
    best = found.trials[5:][int(np.argmin(found.fid[5:]))]
    assert found.timesteps.tolist() == respaced_timesteps(T, best.steps)
    facts = read_manifest(searched.folder / "out", "schedule").facts
    assert facts == {"steps": best.steps, "fid": best.fid, "scores": 7}
    # What the first round sampled is not sampled again.
    assert len(sampled) == len(set(sampled)) == 5 + 2 * 3
    assert not (searched.folder / "work").exists()


def test_a_search_that_is_stopped_goes_on_to_the_same_bytes_and_samples_nothing_twice(searched):
    whole = searched("whole")
    for done in (1, 7):
        with pytest.raises(KeyboardInterrupt):
            searched("again", interrupted=done)
        assert not (searched.folder / "again").exists()
        assert searched("again") == whole[done:]
        assert files(searched.folder / "again") == files(searched.folder / "whole")
        for path in (searched.folder / "again").iterdir():
            path.unlink()
        (searched.folder / "again").rmdir()


def test_other_seeds_are_other_scores_and_the_runs_own_seed_does_not_matter(searched):
    searched("one")
    searched("two", like=RunParams.model_validate(RUN | {"seed": 77}))
    searched("three", section=SearchParams.model_validate(SEARCH | {"seed": 200}))
    one, two, three = (files(searched.folder / name)["schedules.npz"] for name in ("one", "two", "three"))
    assert one == two != three


# The bound.


def bound_section(**changes):
    return VariationalParams.model_validate(BOUND | changes)


@pytest.mark.parametrize("steps", [None, "6,3"])
@pytest.mark.parametrize("variance", ["learned_range", "beta"])
def test_with_all_timesteps_the_least_bound_is_the_likelihoods(tiny_model, randomised, dataset, steps, variance):
    model = tiny_model(variance=variance, timesteps=12, objective="hybrid" if variance == "learned_range" else "simple")
    network = randomised(model).eval().requires_grad_(False)
    indices = np.array([0, 3, 4, 9, 11, 12, 20])
    found = least_bounds(bound_section(among=steps), model, network, dataset, indices)
    same = {name: value for name, value in BOUND.items() if name != "kind"}
    section = LikelihoodParams.model_validate(same | {"steps": steps})
    likelihood = measure(section, model, network, dataset, indices)
    assert found.timesteps.tolist() == likelihood.timesteps.tolist()
    assert found.bounds[-1] == pytest.approx(likelihood.bits.mean(), rel=1e-9)
    assert found.uniform[-1] == found.bounds[-1]
    assert (found.bounds <= found.uniform + 1e-12).all()
    assert found.visited.sum(axis=1).tolist() == list(range(1, len(found.timesteps) + 1))


def write_dataset(out, images, labels):
    params = DatasetParams(source="digits", image_size=8, num_classes=2, shard_size=10)
    with new_folder(out) as folder:
        write_shards(folder, images, labels, params.shard_size)
        write_manifest(folder, record("prepare", {"dataset": params}, {}, ["numpy"]))
    return out


@pytest.fixture
def bounded(checkpoint, tmp_path, tiny_model, dataset):
    """Find the schedules of at most six timesteps into a folder."""
    inputs = {"checkpoint": checkpoint, "data": write_dataset(tmp_path / "data", dataset[:], dataset.labels)}

    def run(name, **changes):
        section = bound_section(among="6", **changes)
        make(schedule, section, tiny_model(), inputs, tmp_path / name, "cpu", None, None, None, tmp_path / "work")
        return tmp_path / name

    return run


def test_the_stage_writes_what_it_found_to_the_same_bytes(bounded):
    one, two = bounded("one"), bounded("two")
    assert files(one) == files(two)
    found = read_study(VariationalSchedules, one)
    assert found.timesteps.tolist() == respaced_timesteps(T, "6")
    facts = read_manifest(one, "schedule").facts
    assert facts == {"num_timesteps": 6, "bits_per_dimension": found.bounds[-1]}


def test_inputs_that_do_not_fit_are_refused(bounded, tmp_path):
    with pytest.raises(UserError, match="has 24 images, but the study needs 25"):
        bounded("out", num_images=25)
    assert not (tmp_path / "out").exists()


def test_terms_that_are_no_numbers_are_refused(bounded, monkeypatch):
    def lost(*arguments):
        terms = pair_terms(*arguments)
        terms.between[0, 2] = np.nan
        return terms

    monkeypatch.setattr("adm.sampling.likelihood.pair_terms", lost)
    with pytest.raises(
        UserError, match=r"model-0: terms of the bound are NaN or infinite at 1 timesteps, 20 first, in"
    ):
        bounded("out")


# Runs.


def test_a_run_visits_the_timesteps_of_its_schedule(bounded, checkpoint, tmp_path, tiny_model, monkeypatch):
    folder = bounded("bounds")
    found = read_study(VariationalSchedules, folder)
    run = RunParams.model_validate(RUN | {"steps": "3", "schedule": "bounds"})
    chosen = timesteps_of(run, NoiseParams(timesteps=T, schedule="cosine"), folder)
    assert chosen == found.timesteps[found.visited[2]].tolist()
    seen = []
    load = sample.load_network

    def watched(*arguments):
        network = load(*arguments)
        network.register_forward_pre_hook(lambda _, given: seen.append(int(given[1][0])))
        return network

    monkeypatch.setattr(sample, "load_network", watched)
    inputs = {"checkpoint": checkpoint, "schedule": folder}
    make(sample, run, tiny_model(), None, inputs, tmp_path / "samples", "", "cpu", 60, tmp_path / "work")
    assert seen == chosen[::-1] * 2
    assert "schedule" in read_manifest(tmp_path / "samples", "sample").inputs


def test_a_run_on_the_timesteps_of_its_steps_is_the_run_of_these_steps(checkpoint, tmp_path, tiny_model):
    chosen = respaced_timesteps(T, "2,1")
    study = SearchedSchedule(
        np.array(chosen), np.ones((1, 3), bool), np.array([[2, 1]]), np.array([8]), np.array([1.0])
    )
    write_study(tmp_path / "found", study, record("schedule", {"schedule": SearchParams.model_validate(SEARCH)}))
    for name, changes, more in (
        ("plain", {"steps": "2,1"}, {}),
        ("found-run", {"steps": "3", "schedule": "s"}, {"schedule": tmp_path / "found"}),
    ):
        run = RunParams.model_validate(RUN | changes)
        inputs = {"checkpoint": checkpoint, **more}
        make(sample, run, tiny_model(), None, inputs, tmp_path / name, "", "cpu", 60, tmp_path / "work")
    plain, found = (files(tmp_path / name)["samples.npz"] for name in ("plain", "found-run"))
    assert plain == found


def test_a_variation_visits_the_timesteps_of_its_runs_schedule(bounded, checkpoint, tmp_path, tiny_model):
    models = tiny_model(), tiny_model("classifier")
    make(init, models[1], tmp_path / "classifier-0")
    run = RunParams.model_validate(
        RUN | {"steps": "3", "schedule": "bounds", "classifier": "classifier-0", "gradient_scale": 2.0}
    )
    inputs = {"checkpoint": checkpoint, "classifier": tmp_path / "classifier-0", "schedule": bounded("bounds")}
    section = VariationParams(run="run", scales=[2.0], num_samples=4)
    make(vary, section, run, *models, inputs, tmp_path / "varied")
    make(sample, run, *models, inputs, tmp_path / "samples", "", "cpu", 60, tmp_path / "work")
    varied = read_study(Variation, tmp_path / "varied")
    assert np.array_equal(varied.images[:, 0], read_batch(tmp_path / "samples").images[:4])


def test_a_schedule_of_other_steps_or_that_changed_is_refused(bounded):
    folder = bounded("bounds")
    run = RunParams.model_validate(RUN | {"steps": "7", "schedule": "bounds"})
    with pytest.raises(UserError, match="bounds: has no schedule of 7 steps"):
        timesteps_of(run, NoiseParams(timesteps=T, schedule="cosine"), folder)
    content = bytearray((folder / "schedules.npz").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "schedules.npz").write_bytes(content)
    with pytest.raises(UserError, match=r"schedules\.npz: is not the file that was written"):
        timesteps_of(run.model_copy(update={"steps": "3"}), NoiseParams(timesteps=T, schedule="cosine"), folder)


def test_shown_labels_are_each_images_own(tiny_model, randomised, dataset):
    given = []
    network = randomised(tiny_model()).eval().requires_grad_(False)
    network.register_forward_pre_hook(lambda _, __, named: given.append(named["y"].tolist()), with_kwargs=True)
    indices = np.array([3, 4, 8, 11])
    least_bounds(bound_section(among="2"), tiny_model(), network, dataset, indices)
    assert given == [[1, 0, 0]] * 2 + [[1]] * 2
    assert isinstance(dataset, ImageShards)
