"""What cannot be is refused in one line, at its place and with what was found; what can is accepted."""

import pytest

from adm.params import Params, UserError, check
from adm.params.references import visit

URL = "https://example.org/file.npz"
GRAPH, NETWORK_GRAPH = {"url": URL}, {"url": URL, "network": "dinov2-vitl14"}
REFERENCE = {"url": URL, "image_size": 8, "extractor": "digits"}
SAMPLES = {"url": URL, "image_size": 8, "num_samples": 10, "reference": "digits"}
POINT = {"url": URL, "model": "adm-128", "iteration": 9}
PUBLISHED = {"references": {"batch": REFERENCE}, "checkpoints": {"point": POINT}, "samples": {"batch": SAMPLES}}

MODEL, CLASSIFIER, OTHER = "models.adm-128", "models.classifier-128", {"models.other": "= models.adm-128"}
NETWORK, TRAINING, NOISE = f"{MODEL}.network", f"{MODEL}.training", f"{MODEL}.noise"
RUN, GUIDED, STACK, GAN = "runs.scale-2", "runs.adm-128-250", "upsampled_runs.stack-540-500", "gan_runs.gan-1"
PICTURE, LIKELIHOOD = "interpolations.interpolation-1", "likelihoods.likelihood-250"
AVERAGES, START, PROCESSES = f"{TRAINING}.averages", "models.other.start.checkpoint", "resources.train.processes"

JUDGED = {"rows": ["scale-2"], "metrics": ["fid"], "caption": "By two.", "kind": "own"}
OWN = {"rows": ["gan-1", "scale-2"], "metrics": ["fid", "kid"], "caption": "Mine."}
MINE = {"kind": "curves", "x": "iterations", "y": ["kid"], "curves": {"a": ["scale-2", "scale-4"]}, "caption": "Mine."}
CLASSES = {"kind": "class_grid", "run": "scale-2", "classes": [10], "columns": 2, "caption": "Mine."}
CLAIM = {"statement": "A is lower than B.", "source": "Table 6"}
LOWER = CLAIM | {"kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-4"}
LIGHTER = CLAIM | {"kind": "lighter", "model": "classifier-128", "than": "fresh"}
SIMILAR = CLAIM | {"kind": "similar", "metric": "fid", "runs_a": ["scale-2"], "runs_b": ["again"], "within": 1.0}
EARLY = CLAIM | {"kind": "beats_early", "metric": "fid", "runs": ["gan-0_9", "scale-2"], "than": "gan-1"}
ORDER = CLAIM | {"kind": "reconstruction_order", "interpolations": ["interpolation-0", "interpolation-1"]}
GREY = {"datasets.coloured": "= datasets.digits-64", "datasets.digits-64.channels": 1}
AGAIN = {"runs.again": "= runs.scale-2"}


def guide(checkpoint, **changes):
    """A run that a checkpoint guides, of which a model may be another one, `other`."""
    guided = OTHER | {f"{RUN}.guide": {"checkpoint": checkpoint, "scale": 2.0}}
    return guided | {f"models.other.{key}": value for key, value in changes.items()}


def begun(checkpoint, keep_classes=False, **changes):
    """A model `other` that begins with a checkpoint."""
    start = {"checkpoint": checkpoint, "keep_classes": keep_classes}
    return OTHER | {"models.other.start": start} | {f"models.other.{key}": value for key, value in changes.items()}


# A field, and a value that is of its type but not accepted. That each field keeps its own limits is told by the JSON
# schema, which test_json_schema.py compares with the one that is kept; here stands one field of each kind of limit.
OUT_OF_RANGE = [
    ("paths.results", "elsewhere"),
    ("resources.sample.device", "abacus"),
    ("datasets.digits.held_out", 1.0),
    ("extractors.digits.side", 15),
    (f"{MODEL}.kind", "gan"),
    (f"{MODEL}.checkpoints.0", 0),
    (f"{NOISE}.predicts", "x_1"),
    (f"{NETWORK}.depth", True),
    (f"{NETWORK}.channels", 33),
    (f"{NETWORK}.channel_multiplier", []),
    (f"{NETWORK}.channel_multiplier.0", float("nan")),
    (f"{CLASSIFIER}.network.num_classes", None),
    (f"{TRAINING}.batch_size", 32.0),
    (f"{TRAINING}.learning_rate", "1e-4"),
    (f"{TRAINING}.learning_rate", float("inf")),
    (f"{TRAINING}.flip", 0),
    (f"{RUN}.sampler", "plms"),
    (f"{RUN}.steps", 50.0),
    (f"{RUN}.steps", "50,"),
    (f"{LIKELIHOOD}.steps", "all"),
]


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused(refusal, field, value):
    assert refusal({field: value}).startswith((f"{field}: {value!r} is not accepted", f"{field}: {value!r} "))


@pytest.mark.parametrize("key", ["a/b", "a b", "..", "-a", "A", "", "é", "a\n"])
def test_keys_name_files(refusal, key):
    assert refusal({"gans": {key: {"dataset": "digits", "iterations": 1}}}).startswith("gans.")


def test_a_name_of_nothing_is_refused_at_every_field_that_names_something(params):
    """Of each section, or each kind of its entries, every field once; a list by its first name."""
    data, fields = params | {"published": PUBLISHED}, {}

    def note(named):
        section, entry, *rest = named.field.split(".")
        kind = entry if section == "published" else data[section][entry].get("kind")
        fields.setdefault((section, kind, rest[section == "published"]), named.field)
        return [named.key]

    visit(Params, data, note)
    assert len(fields) > 60
    for field in fields.values():
        names = iter(["no-such"])
        spoiled = visit(Params, data, lambda named: [next(names, named.key) if named.field == field else named.key])  # noqa: B023
        with pytest.raises(UserError) as error:
            check(spoiled, "scale.yaml")
        assert str(error.value).startswith(f"scale.yaml: {field}: 'no-such' ")
        assert len(str(error.value)) < 220  # a message that names all of a hundred runs is read by nobody


# Changes of the params file; then the place that is refused, and what the message names.
REFUSED = {
    # Values of one section that do not fit each other.
    "attention that never occurs": ({f"{NETWORK}.attention_resolutions": [5]}, NETWORK, "5", "8, 4"),
    "head channels that do not divide": ({f"{NETWORK}.head_channels": 48}, NETWORK, "head_channels 48", "64"),
    "heads that do not divide": ({f"{NETWORK}.head_channels": None, f"{NETWORK}.heads": 3}, NETWORK, "heads 3", "64"),
    "no heads": ({f"{NETWORK}.head_channels": None}, NETWORK, "heads", "head_channels"),
    "channels of no group": ({f"{NETWORK}.channels": 40, f"{NETWORK}.head_channels": 8}, NETWORK, "40", "32"),
    "addition to single channels": ({f"{NETWORK}.conditioning": "addition"}, NETWORK, "32 channels", "at most 16"),
    "negative level": ({f"{NETWORK}.channel_multiplier": [1, -1]}, NETWORK, "-32"),
    "halved too often": ({f"{NETWORK}.channel_multiplier": [1] * 5}, NETWORK, "image_size 8", "16"),
    "upsampler of nothing": ({"models.adm-u.network.low_resolution": 8}, "models.adm-u.network", "low_resolution 8"),
    "hybrid with a fixed variance": ({f"{NOISE}.variance": "beta"}, MODEL, "'hybrid'", "'learned_range'", "'beta'"),
    "variance left untrained": ({f"{MODEL}.objective": "simple"}, MODEL, "'simple'", "'hybrid'"),
    "weights of a loss without squares": ({f"{MODEL}.objective": "vlb", f"{MODEL}.min_snr": 5}, MODEL, "'vlb'"),
    "linear schedule too short": ({NOISE: {"timesteps": 20, "schedule": "linear"}}, NOISE, "timesteps 20"),
    "checkpoints that go back": ({f"{MODEL}.checkpoints": [9, 5]}, f"{MODEL}.checkpoints", "[9, 5]"),
    "checkpoints of no dataset": ({f"{MODEL}.dataset": None}, MODEL, "dataset"),
    "eta without ddim": ({f"{RUN}.eta": 0.5}, RUN, "eta 0.5", "'ddim' and 'dpm_solver_pp'", "'ddpm'"),
    "scale without a classifier": ({f"{RUN}.classifier": None}, f"{RUN}.gradient_scale", "2.0"),
    "classifier without a scale": ({f"{RUN}.gradient_scale": ...}, RUN, "gradient_scale"),
    "interpolation of one step": ({f"{PICTURE}.steps": "1"}, f"{PICTURE}.steps", "one encodes nothing"),
    "interpolation guided by nothing": ({f"{PICTURE}.classifier": None}, PICTURE, "gradient_scale: 1.0"),
    "class twice": ({f"{GAN}.classes": [1, 2, 1]}, f"{GAN}.classes", "1 stands twice"),
    "class that is none": ({"datasets.cat.classes": [10]}, "datasets.cat", "10", "num_classes is 10"),
    "folder left out": ({"datasets.digits.source": "folder"}, "datasets.digits", "root", "'folder'"),
    "digits in a folder": ({"datasets.digits.root": "/data"}, "datasets.digits", "'/data'", "'digits'"),
    "url of nothing": ({"published.graphs.vgg": {"url": "vgg.pb"}}, "published.graphs.vgg", "'vgg.pb'", "https"),
    "checksum cut off": ({"published.graphs.vgg": GRAPH | {"md5": "abc"}}, "published.graphs.vgg.md5", "'abc'"),
    "kind left out": ({f"{MODEL}.kind": ...}, f"{MODEL}.kind", "missing"),
    "field left out": ({f"{TRAINING}.batch_size": ...}, f"{TRAINING}.batch_size", "missing"),
    "averages that go back": ({AVERAGES: [0.1, 0.05]}, AVERAGES, "[0.1, 0.05]"),
    "two guides": (guide("adm-128-250") | {f"{RUN}.cfg_scale": 2.0}, RUN, "cfg_scale 2 and guide"),
    "interval of no guidance": (
        {f"{RUN}.classifier": None, f"{RUN}.gradient_scale": 0.0, f"{RUN}.guidance_interval": [0.2, 0.8]},
        *(f"{RUN}.guidance_interval", "does nothing without guidance"),
    ),
    "empty interval": ({f"{RUN}.guidance_interval": [0.5, 0.5]}, RUN, "[0.5, 0.5] is empty"),
    "misspelt scale": ({f"{RUN}.gradient_scale": ..., f"{RUN}.gradient_scal": 2}, RUN, "'gradient_scal'", "_scale"),
    # Names of the wrong thing.
    "sampling a classifier": ({f"{RUN}.checkpoint": "classifier-128-300"}, f"{RUN}.checkpoint", "'classifier'"),
    "upsampling by a diffusion model": ({f"{STACK}.checkpoint": "adm-128-500"}, f"{STACK}.checkpoint", "'diffusion'"),
    "guidance by a denoiser": ({f"{RUN}.classifier": "adm-128-0"}, f"{RUN}.classifier", "'adm-128-0'", "'diffusion'"),
    "encoding by a classifier": ({f"{PICTURE}.checkpoint": "classifier-128-0"}, f"{PICTURE}.checkpoint", "'classi"),
    "likelihood of an upsampler": ({f"{LIKELIHOOD}.checkpoint": "adm-u-0"}, f"{LIKELIHOOD}.checkpoint", "'upsampler'"),
    "guide that is a classifier": (guide("classifier-128-300"), f"{RUN}.guide.checkpoint", "'classifier'"),
    "GAN named as a checkpoint": ({"gans.adm-128-500": "= gans.digits"}, "gans.adm-128-500", "'adm-128'"),
    "model named as a checkpoint": ({"models.adm-128-500": f"= {MODEL}"}, "models.adm-128-500", "'adm-128'"),
    # Steps that a process has not.
    "more steps than timesteps": ({f"{RUN}.steps": "1001"}, f"{RUN}.steps", "'1001'", "1000"),
    "more steps in a half": ({f"{RUN}.steps": "600,10"}, f"{RUN}.steps", "'600,10'", "500"),
    "no whole stride": ({f"{RUN}.steps": "ddim700"}, f"{RUN}.steps", "'ddim700'"),
    "no steps": ({f"{RUN}.steps": "0"}, f"{RUN}.steps", "'0'"),
    "an order above the steps": (
        {f"{RUN}.sampler": "unipc", f"{RUN}.order": 3, f"{RUN}.steps": "2"},
        *(f"{RUN}.order", "3", "'2'"),
    ),
    # Averages that were not kept.
    "length of a model without averages": ({f"{RUN}.ema_length": 0.08}, f"{RUN}.ema_length", "0.08", "'adm-128-4360'"),
    "length of weights that were not trained": (
        {AVERAGES: [0.08], f"{RUN}.checkpoint": "adm-128-0", f"{RUN}.ema_length": 0.08},
        *(f"{RUN}.ema_length", "'adm-128-0'"),
    ),
    "another length": ({AVERAGES: [0.1], f"{RUN}.ema_length": 0.2}, f"{RUN}.ema_length", "0.2", "'adm-128'", "[0.1]"),
    # Models, what they are trained on and what they begin with.
    "images of another size": ({"datasets.digits.image_size": 16}, f"{MODEL}.dataset", "is 16", "has 8"),
    "images of other classes": ({"datasets.digits.num_classes": 7}, f"{MODEL}.dataset", "is 7", "has 10"),
    "training past its learning rate": (
        {f"{CLASSIFIER}.training.annealing": 900},
        *(f"{CLASSIFIER}.checkpoints", "1000", "annealing 900"),
    ),
    "accumulation that does not divide": ({f"{TRAINING}.accumulation": 5}, PROCESSES, "5 micro-batches", "16"),
    "processes that share no batch": ({PROCESSES: 3}, PROCESSES, "3", "models."),
    "processes that share masks of dropout": ({PROCESSES: 2}, PROCESSES, "dropout 0.1"),
    "start of a classifier": (begun("classifier-128"), START, "'classifier-128-1000' is of kind 'classifier'"),
    "start of another size": (begun("adm-64"), START, "image_size is 4"),
    "start of other classes that are kept": (begun("lsun-cat", True, noise={"timesteps": 100}), START, "is None"),
    "start of another process": (begun("lsun-cat"), START, "timesteps is 100"),
    "start with itself": (begun("other"), START, "'other-4360' is a circle, other -> other"),
    "start in a circle": (
        begun("adm-128") | {f"{MODEL}.start": {"checkpoint": "other", "keep_classes": False}},
        *(f"{MODEL}.start.checkpoint", "adm-128 -> other -> adm-128"),
    ),
    # Guidance.
    "classifier of another schedule": ({f"{CLASSIFIER}.noise.schedule": "linear"}, f"{GUIDED}.classifier", "'linear'"),
    "classifier of another size": ({f"{RUN}.classifier": "classifier-64-500"}, f"{RUN}.classifier", "is 4", "has 8"),
    "classifier of other classes": (
        {f"{CLASSIFIER}.network.num_classes": 5, f"{CLASSIFIER}.dataset": "five"}
        | {"datasets.five": {"source": "digits", "image_size": 8, "num_classes": 5}},
        *(f"{GUIDED}.classifier", "is 5", "has 10"),
    ),
    "classifier of coloured images": (
        GREY | {"models.adm-64.network.image_channels": 1, "models.classifier-64.dataset": "coloured"},
        *("runs.base-200.classifier", "image_channels is 3", "has 1"),
    ),
    "encoding guided at another size": ({f"{PICTURE}.classifier": "classifier-64-500"}, f"{PICTURE}.classifier", "4"),
    "cfg without label dropout": ({f"{RUN}.cfg_scale": 2.0}, f"{RUN}.cfg_scale", "'adm-128'", "label_dropout"),
    "itself as a guide": (guide("adm-128-4360"), f"{RUN}.guide.checkpoint", "'adm-128-4360'", "itself"),
    "guide without classes": (
        guide("other-250", **{"network.num_classes": None}),
        *(f"{RUN}.guide.checkpoint", "num_classes is None", "has 10"),
    ),
    "guide that predicts something else": (
        guide("other-250", **{"noise.predicts": "v"}),
        *(f"{RUN}.guide.checkpoint", "predicts is 'v'", "has 'eps'"),
    ),
    "interval between two steps": (
        {f"{RUN}.guidance_interval": [0.001, 0.002]},
        *(f"{RUN}.guidance_interval", "[0.001, 0.002]", "'25'"),
    ),
    "counts of no class": ({f"{RUN}.class_counts": [0] * 10}, f"{RUN}.class_counts", "0", "1"),
    "counts beyond a seed's bits": ({f"{RUN}.class_counts": [2**31] * 10}, f"{RUN}.class_counts", str(2**32 - 1)),
    "counts of fewer classes": ({f"{RUN}.class_counts": [1, 2]}, f"{RUN}.class_counts", "2", "10"),
    # Runs, what they are made of and scored against; studies, and the images that they take.
    "base of another size": ({f"{STACK}.base": "scale-2"}, f"{STACK}.base", "is 8", "has 4"),
    "base of fewer samples": ({f"{STACK}.num_samples": 401}, f"{STACK}.base", "400", "401"),
    "grey base of a coloured upsampler": (
        GREY | {"models.adm-64.network.image_channels": 1, "models.classifier-64.network.image_channels": 1},
        *("upsampled_runs.stack-540-150.base", "image_channels is 1", "has 3"),
    ),
    "class that a gan lacks": ({f"{GAN}.classes": [3, 10]}, f"{GAN}.classes", "10"),
    "reference of another size": ({f"{RUN}.reference": "digits-64"}, f"{RUN}.reference", "4", "8"),
    "a reference of pooled features alone": (
        {"published.graphs.net": NETWORK_GRAPH, "references.digits.extractor": "net"},
        *("references.digits.extractor", "'net'", "judges"),
    ),
    "likelihood of small images": ({f"{LIKELIHOOD}.dataset": "digits-64"}, f"{LIKELIHOOD}.dataset", "is 4", "has 8"),
    "likelihood of other classes": (
        {"datasets.more": "= datasets.digits", "datasets.more.num_classes": 11, f"{LIKELIHOOD}.dataset": "more"},
        *(f"{LIKELIHOOD}.dataset", "is 11", "has 10"),
    ),
    "interpolation of other classes": (
        {"datasets.more": "= datasets.digits", "datasets.more.num_classes": 11, f"{PICTURE}.dataset": "more"},
        *(f"{PICTURE}.dataset", "is 11", "has 10"),
    ),
    "likelihood of what nobody held out": ({f"{LIKELIHOOD}.part": "held_out"}, f"{LIKELIHOOD}.part", "held_out 0.0"),
    "encoding grey images": (
        {"datasets.grey": "= datasets.digits", "datasets.grey.channels": 1, f"{PICTURE}.dataset": "grey"},
        *(f"{PICTURE}.dataset", "channels is 1", "has 3"),
    ),
    "neighbours in a reference without images": (
        {"published.references.batch": REFERENCE, "runs.ddim-256-2_5.reference": "batch"},
        *("neighbours.neighbours-ddim.run", "'batch'"),
    ),
    # Tables and their judges.
    "row of no run": ({"tables.table_16.rows.8": "cat-sweep"}, "tables.table_16.rows", "'cat-sweep'", "cat-swept"),
    "scale of a gan": ({"tables.table_14.ddpm.0": "gan-1"}, "tables.table_14.ddpm", "'gan-1' is not among runs"),
    "too few rows": ({"tables.table_8.rows": ["adm-128-250"]}, "tables.table_8.rows", "has 1", "table has 5"),
    "too many columns": ({"tables.table_13.columns": ["adm-u"] * 3}, "tables.table_13.columns", "has 3", "table has 2"),
    "bare words": ({"tables.table_8.rows.0": "no time for it"}, "tables.table_8.rows.0", "{none: why there is none}"),
    "another kind of the paper's table": ({"tables.table_8.kind": "compute"}, "tables.table_8.kind", "'runs'"),
    "field of no table": ({"tables.table_8.row": []}, "tables.table_8", "'row'", "rows"),
    "own table of a run twice": ({"tables.mine": OWN | {"rows": ["gan-1", "gan-1"]}}, "tables.mine.rows", "twice"),
    "a judge that there is not": ({"tables.further": JUDGED | {"judges": ["vgg"]}}, "tables.further.judges", "'vgg'"),
    "the first extractor as a judge": (
        {"tables.further": JUDGED | {"judges": ["digits"]}},
        *("tables.further.judges", "'digits'", "'scale-2'", "leave it out"),
    ),
    "published values of another judge": (
        {"published.graphs.net": NETWORK_GRAPH, "tables.further": JUDGED | {"judges": ["net"], "published": "net"}},
        *("tables.further.published", "'net'"),
    ),
    # Figures.
    "figure of no kind": ({"figures.figure_18.kind": "grid"}, "figures.figure_18.kind", "'grid'", "trade_offs"),
    "curves along what runs have not": ({"figures.mine": MINE | {"x": "truncation"}}, "figures.mine.x", "'scale-2'"),
    "curves along a length that one run has": (
        {f"{RUN}.ema_length": 0.1, AVERAGES: [0.1], "figures.mine": MINE | {"x": "ema_length"}},
        *("figures.mine.x", "'scale-4'"),
    ),
    "samples of a curve's run": ({"runs.ddim-256-2_5.curve": "many"}, "neighbours.neighbours-ddim.run", "'many'"),
    "curves of no metric": ({"figures.mine": MINE | {"y": ["kidd"]}}, "figures.mine.y.0", "'kidd' is no metric"),
    "trade-off of one metric": ({"figures.figure_6.panels": [["fid"]]}, "figures.figure_6.panels.0", "['fid']"),
    "own figure of a class that is not there": ({"figures.mine": CLASSES}, "figures.mine.classes", "10 is no class"),
    # Claims.
    "claim on runs of unequal size": (
        {"claims.new": LOWER | {"than": "ablation-base-400"}},
        *("claims.new", "'scale-2' has 400, 'ablation-base-400' has 200 samples"),
    ),
    "claim on too few samples": (
        AGAIN | {f"{RUN}.num_samples": 7, "runs.again.num_samples": 7, "claims": {"new": LOWER | {"than": "again"}}},
        *("claims.new", "'scale-2' has 7 samples", "8 or more"),
    ),
    "claim on another seed alone": (
        AGAIN | {"runs.again.seed": 9, "claims.new": LOWER | {"than": "again"}},
        *("claims.new", "'scale-2' and 'again' are of one configuration"),
    ),
    "a key of two runs": ({"gan_runs.scale-4": f"= {GAN}"}, "gan_runs.scale-4", "runs.scale-4 gives this key, too"),
    "claim on a schedule and itself": (
        AGAIN | {f"{RUN}.steps": "1000", "runs.again.steps": "ddim1000", "claims.new": LOWER | {"than": "again"}},
        *("claims.new", "'scale-2' and 'again' are of one configuration"),
    ),
    "claim on a guide that pulls nowhere": (
        AGAIN
        | {f"runs.again.{name}": value for name, value in {"classifier": None, "gradient_scale": 0.0}.items()}
        | {f"{RUN}.{name}": value for name, value in {"classifier": None, "gradient_scale": 0.0}.items()}
        | {f"{RUN}.guide": {"checkpoint": "adm-128-250", "scale": 1.0}, "claims.new": LOWER | {"than": "again"}},
        *("claims.new", "'scale-2' and 'again' are of one configuration"),
    ),
    "claim on micro-batches alone": (
        AGAIN | {"runs.again.micro_batch": 9, "claims.new": SIMILAR},
        *("claims.new", "'scale-2' and 'again' are of one configuration"),
    ),
    "claim on a model that is not trained": (
        {"models.fresh": f"= {MODEL}", "models.fresh.checkpoints": [], "claims.new": LIGHTER},
        *("claims.new", "'fresh'"),
    ),
    "training of a gan": ({"claims.new": EARLY | {"by_share": 0.1}}, "claims.new.runs", "'gan-0_9'", "upsampled_runs"),
    "reconstructions of other images": (
        {f"{PICTURE}.seed": 1, "claims": {"new": ORDER}},
        *("claims.new.interpolations", "seed is 1", "'interpolation-0' has 0"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_at_its_place(refusal, case):
    changes, place, *named = REFUSED[case]
    message = refusal(changes)
    assert message.startswith(f"{place}: ")
    assert [part for part in named if part not in message] == []


DROPPING = {f"{TRAINING}.label_dropout": 0.1, f"{RUN}.cfg_scale": 2.0}
FITTING = {
    "published files that nothing uses": {"published.graphs.inception": GRAPH, "published.samples.batch": SAMPLES},
    "run of a published checkpoint": {"published.checkpoints.point": POINT, f"{RUN}.checkpoint": "point"},
    "run against a published reference": {"published.references.batch": REFERENCE, f"{RUN}.reference": "batch"},
    "larger images for random crops": {
        "datasets.big": {"source": "digits", "image_size": 16, "num_classes": 10},
        f"{CLASSIFIER}.dataset": "big",
    },
    "an average of another length": {f"{RUN}.ema_length": 0.2, AVERAGES: [0.1, 0.2]},
    "classifier at scale zero": {f"{RUN}.gradient_scale": 0},
    "likelihood under a model without classes": {
        f"{LIKELIHOOD}.checkpoint": "lsun-cat-800",
        f"{LIKELIHOOD}.dataset": "bedroom",
        f"{LIKELIHOOD}.steps": "5,5,5,5,5",
    },
    "gan of some classes": {f"{GAN}.classes": [9, 0]},
    "likelihood of held-out images": {
        "datasets.digits.held_out": 0.2,
        "references.digits.num_images": 1400,
        f"{LIKELIHOOD}.part": "held_out",
    },
    "grey from the images to the samples": {"models.lsun-cat.network.image_channels": 1, "datasets.cat.channels": 1},
    "cfg in an interval beside a classifier": DROPPING | {f"{RUN}.guidance_interval": [0.2, 0.8]},
    "guide that is an earlier checkpoint": guide("adm-128-250"),
    "guide that is a smaller model without a learned variance": guide(
        "other-250", **{"network.depth": 1, "noise.variance": "beta", "objective": "simple"}
    ),
    "start of other classes, colours and dropout": begun(
        "adm-128",
        **{"network.num_classes": None, "network.image_channels": 1, "network.dropout": 0.1},
        **{"checkpoints": [], "dataset": None},
    ),
    "a claim that another seed gives much the same": AGAIN | {"runs.again.seed": 9, "claims.new": SIMILAR},
    "a table, a figure and a claim of one's own": {"tables.mine": OWN, "figures.mine": MINE, "claims.mine": LOWER},
    "a file of models alone": {
        **{name: {} for name in ("runs", "upsampled_runs", "gan_runs", "interpolations", "neighbours")},
        **{name: {} for name in ("likelihoods", "throughput", "tables", "figures", "claims")},
    },
}


@pytest.mark.parametrize("case", FITTING)
def test_what_fits_is_accepted(checked, case):
    checked(FITTING[case])


def test_labels_are_dropped_of_diffusion_models_with_classes_alone(tiny_model):
    assert tiny_model(label_dropout=0.1).training.label_dropout == 0.1
    for kind, changes in (("classifier", {}), ("upsampler", {}), ("diffusion", {"num_classes": None})):
        with pytest.raises(ValueError, match=r"label_dropout 0.1 is for diffusion models with classes"):
            tiny_model(kind, label_dropout=0.1, **changes)
