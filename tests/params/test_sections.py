"""Each section keeps its own rules: each value that cannot be is refused by its place, with what was found."""

import pytest

NETWORK, TRAINING = "models.adm-128.network", "models.adm-128.training"
GAN, PICTURE = "gan_runs.gan-1", "interpolations.interpolation-1"
LIKELIHOOD = "likelihoods.likelihood-250"

# A field, and a value that is of its type but not accepted. That each field keeps its own limits is told by the JSON
# schema, which test_json_schema.py compares with the one that is kept; here stands one field of each kind of limit.
OUT_OF_RANGE = [
    ("paths.results", "elsewhere"),
    ("paths.results", "results/../.."),
    ("execution.shards", 0),
    ("resources.sample.device", "abacus"),
    ("datasets.digits.channels", 2),
    ("datasets.digits.held_out", 1.0),
    ("extractors.digits.side", 15),
    ("models.adm-128.kind", "gan"),
    ("models.adm-128.checkpoints.0", 0),
    (f"{NETWORK}.depth", True),
    (f"{NETWORK}.channel_multiplier", []),
    (f"{NETWORK}.channel_multiplier.0", float("nan")),
    ("models.classifier-128.network.num_classes", None),
    (f"{TRAINING}.batch_size", 32.0),
    (f"{TRAINING}.learning_rate", "1e-4"),
    (f"{TRAINING}.learning_rate", float("inf")),
    (f"{TRAINING}.flip", 0),
    ("gans.digits.channels", 12),
    ("gans.digits.generator_rate", 0.0),
    ("runs.scale-2.sampler", "plms"),
    ("runs.scale-2.steps", 50.0),
    ("runs.scale-2.steps", "karras20"),
    ("runs.scale-2.steps", "50,"),
    (f"{LIKELIHOOD}.steps", "all"),
]


@pytest.mark.parametrize(("field", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused(refusal, field, value):
    assert refusal({field: value}).startswith((f"{field}: {value!r} is not accepted", f"{field}: {value!r} "))


@pytest.mark.parametrize("key", ["a/b", "a b", "..", "-a", "A", "", "é", "a\n"])
def test_keys_name_files(refusal, key):
    assert refusal({"gans": {key: {"dataset": "digits", "iterations": 1}}}).startswith("gans.")


GRAPH = {"url": "https://example.org/file.pb"}
UPSAMPLER = "models.adm-u.network"
# Changes that do not fit each other; then the section that is refused, and what the message names.
UNFIT = {
    "attention that never occurs": ({f"{NETWORK}.attention_resolutions": [5]}, NETWORK, "5", "8, 4"),
    "head channels that do not divide": ({f"{NETWORK}.head_channels": 48}, NETWORK, "head_channels 48", "64"),
    "heads that do not divide": ({f"{NETWORK}.head_channels": None, f"{NETWORK}.heads": 3}, NETWORK, "heads 3", "64"),
    "heads twice": ({f"{NETWORK}.heads": 2}, NETWORK, "heads", "head_channels"),
    "no heads": ({f"{NETWORK}.head_channels": None}, NETWORK, "heads", "head_channels"),
    "channels of no group": ({f"{NETWORK}.channels": 40, f"{NETWORK}.head_channels": 8}, NETWORK, "40", "32"),
    "addition to single channels": ({f"{NETWORK}.conditioning": "addition"}, NETWORK, "32 channels", "at most 16"),
    "negative level": ({f"{NETWORK}.channel_multiplier": [1, -1]}, NETWORK, "-32"),
    "halved too often": ({f"{NETWORK}.channel_multiplier": [1] * 5}, NETWORK, "image_size 8", "16"),
    "upsampler of nothing": ({f"{UPSAMPLER}.low_resolution": 8}, UPSAMPLER, "low_resolution 8", "image_size 8"),
    "hybrid with a fixed variance": (
        {"models.adm-128.noise.variance": "beta"},
        "models.adm-128",
        "'hybrid'",
        "'learned_range'",
        "'beta'",
    ),
    "variance left untrained": ({"models.adm-128.objective": "simple"}, "models.adm-128", "'simple'", "'hybrid'"),
    "weights of a loss without squares": (
        {"models.adm-128.objective": "vlb", "models.adm-128.min_snr": 5},
        "models.adm-128",
        "min_snr",
        "'vlb'",
    ),
    "weights of nothing": ({"models.adm-128.min_snr": 0}, "models.adm-128.min_snr", "greater than 0"),
    "what nobody predicts": ({"models.adm-128.noise.predicts": "x_1"}, "models.adm-128.noise.predicts", "'x_1'", "x_0"),
    "linear schedule too short": (
        {"models.adm-128.noise": {"timesteps": 20, "schedule": "linear"}},
        "models.adm-128.noise",
        "timesteps 20",
    ),
    "accumulation that does not divide": (
        {f"{TRAINING}.accumulation": 5},
        "resources.train.processes",
        "5 micro-batches",
        "16",
    ),
    "checkpoints that go back": ({"models.adm-128.checkpoints": [9, 5]}, "models.adm-128.checkpoints", "[9, 5]"),
    "checkpoints of no dataset": ({"models.adm-128.dataset": None}, "models.adm-128", "dataset"),
    "eta without ddim": ({"runs.scale-2.eta": 0.5}, "runs.scale-2", "eta 0.5", "'ddpm'"),
    "order without unipc": ({"runs.scale-2.order": 3}, "runs.scale-2", "order 3", "'unipc'", "'ddpm'"),
    "an order of clipping for ddpm": (
        {"runs.scale-2.clipping_order": "after"},
        "runs.scale-2",
        "clipping_order 'after'",
        "'ddim' and 'dpm_solver_pp' and 'unipc' and 'heun'",
    ),
    "ddim at the mean": (
        {"runs.scale-2.sampler": "ddim", "runs.scale-2.gradient_at": "mean"},
        "runs.scale-2",
        "'mean'",
        "'ddim'",
    ),
    "scale without a classifier": ({"runs.scale-2.classifier": None}, "runs.scale-2", "gradient_scale 2.0"),
    "classifier without a scale": ({"runs.scale-2.gradient_scale": ...}, "runs.scale-2", "gradient_scale"),
    "interpolation guided by nothing": ({f"{PICTURE}.classifier": None}, PICTURE, "gradient_scale 1.0"),
    "class twice": ({f"{GAN}.classes": [1, 2, 1]}, f"{GAN}.classes", "1 stands twice"),
    "class that is none": ({"datasets.cat.classes": [10]}, "datasets.cat", "10", "num_classes is 10"),
    "folder left out": ({"datasets.digits.source": "folder"}, "datasets.digits", "root", "'folder'"),
    "digits in a folder": ({"datasets.digits.root": "/data"}, "datasets.digits", "'/data'", "'digits'"),
    "lsun of classes": (
        {"datasets.digits.source": "lsun", "datasets.digits.root": "/data"},
        "datasets.digits",
        "num_classes 10",
    ),
    "url of nothing": ({"published.graphs.vgg": {"url": "vgg.pb"}}, "published.graphs.vgg", "'vgg.pb'", "https"),
    "checksum cut off": ({"published.graphs.vgg": GRAPH | {"md5": "abc"}}, "published.graphs.vgg.md5", "'abc'"),
    "kind left out": ({"models.adm-128.kind": ...}, "models.adm-128.kind", "missing"),
    "field left out": ({f"{TRAINING}.batch_size": ...}, f"{TRAINING}.batch_size", "missing"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_values_that_do_not_fit_each_other_are_refused(refusal, case):
    changes, place, *named = UNFIT[case]
    message = refusal(changes)
    assert message.startswith(f"{place}: ")
    assert [part for part in named if part not in message] == []
