"""Seeds of training in params files: copies, the runs that follow them, and the groups that these form."""

import pytest
import yaml

from adm.config.models import TrainingSeeds
from adm.params import UserError, check
from adm.params.load import write
from adm.params.needs import needs_of
from adm.pipeline import Pipeline

NAMES = ("models", "gans", "runs", "upsampled_runs", "gan_runs", "groups")
SMALL = """
datasets:
  small: &small {source: digits, image_size: 4, num_classes: 10}
  digits: {<<: *small, image_size: 8}
extractors: {vgg: {dataset: digits, side: 16, iterations: 9, least_accuracy: 0.5}}
references: {real: {dataset: digits, num_images: 100}, little: {dataset: small, num_images: 100}}
models:
  adm: &adm
    kind: diffusion
    dataset: digits
    checkpoints: [100, 20000]
    network: &network {image_size: 8, channels: 32, channel_multiplier: [1, 2], heads: 1, num_classes: 10}
    training: {batch_size: 4, seed: 7}
  judge: {<<: *adm, kind: classifier, checkpoints: [50]}
  half: {<<: *adm, dataset: small, checkpoints: [60], network: {<<: *network, image_size: 4}}
  up: {<<: *adm, kind: upsampler, checkpoints: [70], network: {<<: *network, low_resolution: 4}}
gans: {rival: {dataset: digits, iterations: 5}}
runs:
  plain: &run {checkpoint: adm, num_samples: 8, seed: 5}
  through: {<<: *run, sweep: {iteration: [100, 20000]}}
  guided: {<<: *run, classifier: judge, gradient_scale: 1}
  early: {<<: *run, checkpoint: adm-100}
  untrained: {<<: *run, checkpoint: adm-0}
  low: {<<: *run, checkpoint: half}
upsampled_runs:
  stack: {base: low, checkpoint: up, num_samples: 8}
gan_runs:
  gan: {gan: rival, num_samples: 8, sweep: {truncation: [0.5, 1]}}
interpolations: {path: {checkpoint: adm, reconstructions: 4}}
likelihoods: {bits: {checkpoint: adm-100, num_images: 4}}
neighbours: {near: {run: plain}}
throughput: {speed: {model: adm, naive_batch: 1, optimised_batch: 2}}
tables:
  mine: {rows: [plain, guided], metrics: [fid], caption: Mine.}
figures:
  curve: {kind: curves, x: iterations, y: [fid], caption: Mine., curves: {a: [through-100, through-20k]}}
  grid: {kind: random_grid, run: plain, rows: 1, columns: 2, caption: Mine.}
  sides: {kind: comparison, columns: 1, lines: 1, caption: Mine., rows: {a: {b: {run: guided}, c: {dataset: digits}}}}
claims:
  better: {statement: S., source: A, kind: lower, metric: fid, run: guided, than: plain}
  cheap: {statement: S., source: A, kind: lighter, model: judge, than: adm}
"""


def seeded(**seeds):
    data = yaml.safe_load(SMALL)
    for key, values in seeds.items():
        (data["gans"] if key in data["gans"] else data["models"])[key]["seeds"] = values
    return check(data, "params.yaml")


def refusal(data):
    with pytest.raises(UserError) as error:
        check(data, "params.yaml")
    assert str(error.value).isprintable()
    return str(error.value)


def keys(params):
    return {key for name in NAMES for key in getattr(params, name)}


def test_a_copy_differs_from_its_model_in_its_seed_alone():
    params, plain = seeded(adm=[3, 1], rival=[4, 9]), seeded()
    one = plain.models["adm"].training
    assert one.values()["seed"] == 7
    assert one.model_copy(update={"seed": TrainingSeeds(weights=7, data=7, noise=7)}).seeds == one.seeds
    assert [key for key in params.models if key.startswith("adm")] == ["adm-seed-3", "adm-seed-1"]
    for seed in (3, 1):
        model = params.models[f"adm-seed-{seed}"]
        assert model.training.seed == seed
        assert model.model_copy(update={"training": plain.models["adm"].training}) == plain.models["adm"]
    assert [params.gans[f"rival-seed-{seed}"].seed for seed in (4, 9)] == [4, 9]
    assert params.models["judge"] == plain.models["judge"]


def test_each_run_of_a_copied_model_becomes_a_group_of_runs():
    params, plain = seeded(adm=[3, 1]), seeded()
    followed = ["plain", "through-100", "through-20k", "guided", "early", "untrained"]
    assert params.groups == {key: [f"{key}-seed-3", f"{key}-seed-1"] for key in followed}
    found = {run: params.runs[run].checkpoint for key in followed for run in params.groups[key]}
    assert found["early-seed-1"] == "adm-seed-1-100"
    assert found["through-20k-seed-3"] == found["plain-seed-3"] == "adm-seed-3-20k"
    assert found["untrained-seed-1"] == "adm-seed-1-0"
    assert params.runs["guided-seed-1"].classifier == "judge-50"
    for key in followed:  # but for checkpoint and seed a run is what it was, and the first draws what it drew
        first, other = (params.runs[run] for run in params.groups[key])
        assert first == plain.runs[key].model_copy(update={"checkpoint": first.checkpoint})
        assert other == plain.runs[key].model_copy(update={"checkpoint": other.checkpoint, "seed": other.seed})
    assert params.runs["low"] == plain.runs["low"]


def test_no_two_runs_of_a_group_draw_the_same_image():
    params = seeded(adm=[1, 2, 3, 4], half=[0, 1], up=[0, 1], rival=[5, 6])
    for runs in params.groups.values():
        sections = [params.scored[run] for run in runs]
        drawn = {seed for section in sections for seed in range(section.seed, section.seed + section.num_samples)}
        assert len(drawn) == sum(section.num_samples for section in sections)


def test_a_seed_more_renames_nothing_and_changes_no_job():
    few, more = seeded(adm=[3, 1], rival=[2]), seeded(adm=[3, 1, 8], rival=[2, 7])
    assert keys(few) < keys(more)
    after = Pipeline(more).jobs
    changed = {name for name, job in Pipeline(few).jobs.items() if job.values != after[name].values}
    assert {name.partition("/")[0] for name in changed} == {"sizes", "table", "figure", "claims"}  # which read all


def test_what_has_seeds_on_both_sides_is_paired():
    params = seeded(adm=[1, 2], judge=[5, 6], half=[3, 4], up=[8, 9], rival=[1, 2])
    assert params.groups["guided"] == ["guided-seed-1", "guided-seed-2"]
    second, stack = params.runs["guided-seed-2"], params.upsampled_runs["stack-seed-9"]
    assert (second.checkpoint, second.classifier) == ("adm-seed-2-20k", "judge-seed-6-50")
    assert (stack.checkpoint, stack.base) == ("up-seed-9-70", "low-seed-4")
    assert [params.gan_runs[run].gan for run in params.groups["gan-0_5"]] == ["rival-seed-1", "rival-seed-2"]
    assert check(yaml.safe_load(write(params)), "params.yaml") == params


def test_keys_of_copies_have_the_seeds_of_the_model_and_not_of_its_guide():
    data = yaml.safe_load(SMALL)
    data["models"]["weak"] = {**data["models"]["adm"], "seeds": [8, 9]}
    data["models"]["adm"]["seeds"] = [1, 2]
    data["runs"] = {"pulled": {"checkpoint": "adm", "guide": {"checkpoint": "weak", "scale": 2}, "num_samples": 8}}
    params = check({name: data[name] for name in ("datasets", "extractors", "references", "models", "runs")}, "a.yaml")
    assert {key: run.guide.checkpoint for key, run in params.runs.items()} == {
        "pulled-seed-1": "weak-seed-8-20k",
        "pulled-seed-2": "weak-seed-9-20k",
    }


def test_a_swept_model_has_seeds_at_each_of_its_values():
    data = yaml.safe_load(SMALL.replace("judge", "adm-judge"))
    data["models"]["half"] |= {"seeds": [1, 2], "sweep": {"network.channels": [32, 64]}}
    data["upsampled_runs"] = {}
    params = check(data, "params.yaml")
    assert params.groups == {f"low-{width}": [f"low-{width}-seed-1", f"low-{width}-seed-2"] for width in (32, 64)}
    assert params.runs["low-64-seed-2"].checkpoint == "half-64-seed-2-60"


def test_what_shows_one_model_or_run_takes_the_first():
    params = seeded(adm=[3, 1], judge=[5, 6])
    assert params.interpolations["path"].checkpoint == "adm-seed-3-20k"
    assert params.likelihoods["bits"].checkpoint == "adm-seed-3-100"
    assert params.neighbours["near"].run == "plain-seed-3"
    assert params.throughput["speed"].model == "adm-seed-3"
    assert params.figures["grid"].run == "plain-seed-3"
    assert params.figures["sides"].rows["a"]["b"].run == "guided-seed-3"
    assert (params.claims["cheap"].model, params.claims["cheap"].than) == ("judge-seed-5", "adm-seed-3")


def test_tables_curves_and_claims_name_groups_and_read_all_their_runs():
    params = seeded(adm=[3, 1])
    assert list(params.tables["mine"].rows.values()) == ["plain", "guided"]
    runs = {f"{key}-seed-{seed}" for key in ("plain", "guided") for seed in (3, 1)}
    assert set(needs_of(params, params.tables["mine"])["metrics"]) == runs
    assert set(needs_of(params, *params.claims.values())["metrics"]) == runs
    assert len(needs_of(params, params.figures["curve"])["metrics"]) == 4
    jobs = Pipeline(params).jobs
    assert jobs["table/mine"].values["read"]["groups"] == {key: params.groups[key] for key in ("plain", "guided")}
    assert "groups" not in jobs["figure/grid"].values["read"]


@pytest.mark.parametrize("seeds", [[], 3, [1, 1], [-1], [1.5], [True]])
def test_seeds_that_are_none_are_refused(change, seeds):
    assert "models.adm.seeds: " in refusal(change(yaml.safe_load(SMALL), {"models.adm.seeds": seeds}))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"models.adm.seeds": [1, 2], "models.judge.seeds": [1]}, "runs.guided: checkpoint 'adm-20k' has 2 and clas"),
        ({"models.half.seeds": [1, 2], "models.up.seeds": [1, 2, 3]}, "upsampled_runs.stack: checkpoint 'up-70' has 3"),
        ({"models.adm.seeds": [1]}, "'plain' is of one seed of training"),
        ({"models.judge.seeds": [1, 2]}, "'guided' is of several seeds of training, but 'plain' is of one"),
        ({"models.adm.seeds": [1, 2], "groups": {"plain": ["low"]}}, "groups.plain"),
        ({"groups": {"some": ["nothing"]}}, "groups.some: 'nothing' is not among runs"),
        ({"groups": {"some": ["plain", "plain"]}}, "groups.some: 'plain' stands twice"),
        ({"gans.rival.seeds": {"weights": [1], "data": [1], "noise": [1]}}, "gans.rival.seeds: "),
    ],
)
def test_what_does_not_go_together_is_refused_in_one_line(change, changes, expected):
    assert expected in refusal(change(yaml.safe_load(SMALL), changes))


def test_a_group_of_ones_own_stands_for_its_runs():
    data = yaml.safe_load(SMALL)
    data["groups"] = {"both": ["plain", "early"]}
    data["tables"]["mine"]["rows"] = {"all": "both"}
    data["figures"]["grid"]["run"] = "both"
    params = check(data, "params.yaml")
    assert needs_of(params, params.tables["mine"])["metrics"] == ["plain", "early"]
    assert params.figures["grid"].run == "plain"


# Three seeds of a training, and what a lottery needs.

KINDS = ("weights", "data", "noise")


def each(seeds):
    return {kind: seeds for kind in KINDS}  # noqa: C420 -- dict.fromkeys is for values that do not change


def apart(**seeds):
    data = yaml.safe_load(SMALL)
    data["models"]["adm"]["seeds"] = seeds
    return {name: section for name, section in data.items() if name not in ("tables", "figures", "claims")}


def test_groups_of_which_some_share_a_seed_have_no_interval():
    data = apart(weights=[1, 2], data=[1, 2], noise=0)
    for name in ("tables", "claims"):
        shown = {**data, name: yaml.safe_load(SMALL)[name]}
        if name == "claims":
            shown["models"]["judge"]["seeds"] = {"weights": [5, 6], "data": [5, 6], "noise": 1}
        assert "of which some share a seed of weights" in refusal(shown)


def trained_from(params):
    return {
        key: tuple(vars(model.training.seeds).values()) for key, model in params.models.items() if key.startswith("adm")
    }


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_any_two_seeds_of_two_kinds_meet_in_one_copy(n):
    lists = [[7 * i for i in range(n)], list(range(1, n + 1)), list(range(n, 0, -1))]
    found = trained_from(check(apart(**dict(zip(KINDS, lists, strict=True))), "params.yaml"))
    assert len(found) == n * n
    assert all(key == "adm-seed-w{}-d{}-n{}".format(*seeds) for key, seeds in found.items())
    for one, other in ((0, 1), (0, 2), (1, 2)):
        met = {(seeds[one], seeds[other]) for seeds in found.values()}
        assert met == {(a, b) for a in lists[one] for b in lists[other]}


def test_a_seed_that_is_one_number_is_of_all_copies():
    params = check(apart(weights=[1, 2, 3], data=9, noise=[4]), "params.yaml")
    assert list(trained_from(params).values()) == [(1, 9, 4), (2, 9, 4), (3, 9, 4)]
    params = check(apart(weights=[1, 2], data=9, noise=[4, 5]), "params.yaml")
    assert list(trained_from(params).values()) == [(1, 9, 4), (1, 9, 5), (2, 9, 4), (2, 9, 5)]


def test_runs_follow_copies_of_three_seeds():
    params = check(apart(weights=[1, 2], data=[1, 2], noise=0), "params.yaml")
    assert params.groups["plain"] == [f"plain-seed-w{w}-d{d}-n0" for w in (1, 2) for d in (1, 2)]
    assert params.runs["through-100-seed-w2-d1-n0"].checkpoint == "adm-seed-w2-d1-n0-100"
    assert check(yaml.safe_load(write(params)), "params.yaml") == params


@pytest.mark.parametrize("seed", [-1, 1.5, True, [1], {"weights": 1}, {**dict.fromkeys(KINDS, 1), "noise": -1}])
def test_a_seed_of_training_is_a_number_or_three(change, seed):
    assert "models.adm.training.seed: " in refusal(change(yaml.safe_load(SMALL), {"models.adm.training.seed": seed}))


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [
        ({"weights": [1, 2]}, "models.adm.seeds: has weights; it needs weights, data, noise"),
        (each([1, 2]) | {"order": 1}, "it needs weights, data, noise"),
        (each([1, 1]), "models.adm.seeds.weights: [1, 1] is not accepted"),
        (each([1, 2]) | {"noise": [1, 2, 3]}, "2 of weights, 2 of data, 3 of noise; give equally many"),
    ],
)
def test_seeds_of_kinds_that_do_not_go_together_are_refused(seeds, expected):
    assert expected in refusal(apart(**seeds))


def drawn(seeds=(1, 2, 3), runs=("drawn",), **changes):
    data = apart(**each(list(seeds)) | changes.pop("kinds", {}))
    data["claims"] = {}
    data["tables"] = {"lottery": {"kind": "lottery", "runs": list(runs), "caption": "Mine."}}
    data["runs"]["drawn"] = {"checkpoint": "adm", "num_samples": 8, "sweep": {"seed": [0, 8]}} | changes
    return data


def test_a_lottery_reads_all_draws_of_all_models():
    params = check(drawn(), "params.yaml")
    assert len(needs_of(params, params.tables["lottery"])["metrics"]) == 18
    assert set(Pipeline(params).jobs["table/lottery"].sections["read"].models) == set(trained_from(params))


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"sweep": None}, "tables.lottery.runs: 'drawn' has [3, 3, 3] seeds of weights, data and noise, and 1 draws"),
        ({"kinds": {"data": [1]}}, "has [3, 1, 3] seeds of weights, data and noise, and 2 draws"),
        ({"sweep": {"seed": [0, 7]}}, "share seeds of images, from 7 on"),
        ({"runs": ["drawn-0", "plain"]}, "'plain-seed-w1-d1-n1' share seeds of images"),
        ({"runs": ["drawn-0", "early"]}, "'early' is of other checkpoints than 'drawn-0'"),
        ({"runs": ["gan"]}, "is sampled from no checkpoint"),
    ],
)
def test_a_lottery_that_tells_nothing_is_refused_in_one_line(changes, expected):
    assert expected in refusal(drawn(**changes))


def test_a_group_that_is_no_latin_square_is_no_lottery():
    data = yaml.safe_load(write(check(drawn(), "params.yaml")))
    for group in ("drawn-0", "drawn-8"):
        data["groups"][group] = data["groups"][group][1:]
    assert "tables.lottery.runs: 'drawn-0' is no Latin square" in refusal(data)
