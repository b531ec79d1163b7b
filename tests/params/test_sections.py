"""Each section keeps its own rules: each way to break one is met by one line, with the place and the value."""

import pytest

URL = "https://example.org/file.npz"
GRAPH = {"url": URL, "executor": "torch", "feature_batch": 8, "threads": 1}
CLAIM = {"statement": "A is lower than B.", "source": "Table 6"}
LOWER = CLAIM | {"kind": "lower", "metric": "fid", "run": "scale-2", "than": "scale-4"}
STACK, GAN, PICTURE = "upsampled_runs.stack-540-500", "gan_runs.gan-1", "interpolations.interpolation-1"
NEIGHBOURS, VARIATION = "neighbours.neighbours-ddim", "variations.variation-256"
LIKELIHOOD = "likelihoods.likelihood-250"
PANEL = "figures.figure_9.rows.digits 0-3.GAN"


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
SHAPES = {
    # Data, runs, studies.
    "progress, by its old name": ({"progress": {"log_every": 5}}, "unknown key 'progress'", "execution"),
    "no shards": ({"execution.shards": 0}, "execution.shards: 0", "greater than 0"),
    "expected minutes left out": ({"execution.expected_minutes": ...}, "execution.expected_minutes: is missing"),
    "no time to wait": ({"execution.timeout_seconds": 0}, "execution.timeout_seconds: 0", "greater than 0"),
    "no process": ({"resources.train.processes": 0}, "resources.train.processes: 0", "greater than 0"),
    "abacus": ({"resources.sample.device": "abacus"}, "resources.sample.device: 'abacus'", "'cpu' or 'cuda'"),
    "resources left out": ({"resources.others": ...}, "resources.others: is missing"),
    "processes where one will do": (
        {"resources.others.processes": 2},
        "resources.others",
        "unknown key 'processes'",
        "accepted are memory_mb, minutes",
    ),
    "no replicates": ({"runs.scale-2.replicates": 0}, "runs.scale-2.replicates: 0", "greater than 0"),
    "replicates left out": ({f"{GAN}.replicates": ...}, f"{GAN}.replicates: is missing"),
    "a sweep, which is gone": ({"runs.scale-2.sweep": "scale"}, "runs.scale-2", "'sweep'", "gradient_scale"),
    "guided upsampler": ({f"{STACK}.gradient_scale": 1.0}, STACK, "'gradient_scale'", "accepted are", "base"),
    "eta without ddim in a stack": ({f"{STACK}.eta": 0.5}, STACK, "eta 0.5", "'ddpm'"),
    "truncation above one": ({f"{GAN}.truncation": 1.2}, f"{GAN}.truncation: 1.2", "less than or equal to 1"),
    "truncation of everything": ({f"{GAN}.truncation": 0.0}, f"{GAN}.truncation: 0.0", "greater than 0"),
    "class twice": ({f"{GAN}.classes": [1, 2, 1]}, GAN, "classes holds 1 more than once"),
    "no class": ({f"{GAN}.classes": []}, f"{GAN}.classes: []", "at least 1"),
    "channels of no eighth": ({"gans.digits.channels": 12}, "gans.digits.channels: 12", "multiple of 8"),
    "gan without a rate": ({"gans.digits.generator_rate": 0.0}, "gans.digits.generator_rate: 0.0", "greater than 0"),
    "scales that fall": ({f"{VARIATION}.scales": [2.0, 1.0]}, VARIATION, "[2.0, 1.0]", "must increase"),
    "scale twice": ({f"{VARIATION}.scales": [1.0, 1.0]}, VARIATION, "[1.0, 1.0]", "must increase"),
    "ends alone": ({f"{PICTURE}.points": 2}, f"{PICTURE}.points: 2", "greater than or equal to 3"),
    "no neighbour": ({f"{NEIGHBOURS}.k": 0}, f"{NEIGHBOURS}.k: 0", "greater than 0"),
    "likelihood of one image": ({f"{LIKELIHOOD}.num_images": 1}, f"{LIKELIHOOD}.num_images: 1", "or equal to 2"),
    "likelihood at steps that are a number": ({f"{LIKELIHOOD}.steps": 50}, f"{LIKELIHOOD}.steps: 50", "valid string"),
    "likelihood at no schedule": ({f"{LIKELIHOOD}.steps": "all"}, f"{LIKELIHOOD}.steps: 'all'", "ddim"),
    "likelihood of mirrored images": ({f"{LIKELIHOOD}.flip": True}, LIKELIHOOD, "'flip'", "accepted are checkpoint"),
    "likelihood of a seed that is no number": (
        {f"{LIKELIHOOD}.seed": float("nan")},
        f"{LIKELIHOOD}.seed: nan",
        "valid integer",
    ),
    "likelihood in micro-batches of none": ({f"{LIKELIHOOD}.micro_batch": 0}, f"{LIKELIHOOD}.micro_batch: 0"),
    "unknown precision": (
        {"throughput.throughput-128.optimised_precision": "int8"},
        "throughput.throughput-128.optimised_precision: 'int8'",
        "'float32', 'bfloat16' or 'float16'",
    ),
    "dataset class that is none": ({"datasets.cat.classes": [10]}, "datasets.cat", "10", "num_classes is 10"),
    "dataset of a folder without one": (
        {"datasets.digits.source": "folder"},
        "datasets.digits",
        "root is missing",
        "one folder of images a class",
    ),
    "dataset of digits in a folder": (
        {"datasets.digits.root": "/data"},
        "datasets.digits",
        "root '/data' is not used",
        "'digits'",
    ),
    "url of nothing": (
        {"published.graphs.inception": GRAPH | {"url": "inception.pb"}},
        "published.graphs.inception",
        "'inception.pb'",
        "accepted are http, https, file",
    ),
    "checksum cut off": (
        {"published.graphs.inception": GRAPH | {"sha256": "abc"}},
        "published.graphs.inception.sha256: 'abc'",
        "{64}",
    ),
    "graph with a device of its own": (
        {"published.graphs.inception": GRAPH | {"device": "cuda"}},
        "published.graphs.inception",
        "unknown key 'device'",
    ),
    "tensorflow on a gpu": (
        {"extractors.digits.executor": "tensorflow", "resources.features.device": "cuda"},
        "extractors.digits.executor: 'tensorflow' runs on 'cpu' alone",
        "resources.features.device 'cuda'",
    ),
    "tensorflow, compiled": (
        {"extractors.digits.executor": "tensorflow", "extractors.digits.compiled": True},
        "extractors.digits: ",
        "compiled True is not for executor 'tensorflow'",
        "does not compile",
    ),
    # Tables, figures, claims.
    "measured throughput of nothing": (
        {"tables.table_10.images_per_v100_second": {"adm-128": 0.0}},
        "tables.table_10.images_per_v100_second.adm-128: 0.0",
        "greater than 0",
    ),
    "curve of one run": (
        {"figures.figure_6.curves.GAN, truncation": ["gan-1"]},
        "figures.figure_6.curves.GAN, truncation",
        "['gan-1']",
        "at least 2",
    ),
    "no curves": ({"figures.figure_6.curves": {}}, "figures.figure_6.curves", "at least 1"),
    "no panels": ({"figures.figure_5.panels": {}}, "figures.figure_5.panels", "at least 1"),
    "panel of a run and a dataset": ({f"{PANEL}.dataset": "cat"}, PANEL, "exactly one of run and dataset", "not both"),
    "panel of nothing": ({PANEL: {}}, PANEL, "exactly one of run and dataset", "not neither"),
    "names of other classes": (
        {"figures.figure_15.names": ["one", "three"]},
        "figures.figure_15",
        "names has 2 entries",
        "classes has 4",
    ),
    "claim of no kind": (
        {"claims.new": {key: value for key, value in LOWER.items() if key != "kind"}},
        "claims.new.kind: is missing",
        "lower, higher, falls",
    ),
    "claim of another kind": (
        {"claims.new": LOWER | {"kind": "lowest"}},
        "claims.new.kind: 'lowest' is not accepted",
        "accepted are lower, higher, falls",
        "none",
    ),
    "claim of another metric": ({"claims.new": LOWER | {"metric": "kid"}}, "claims.new.metric: 'kid'", "fid, sfid"),
    "claim on a run and itself": (
        {"claims.new": LOWER | {"than": "scale-2"}},
        "claims.new",
        "'scale-2' stands twice",
    ),
}


@pytest.mark.parametrize("case", SHAPES)
def test_a_section_that_cannot_be_is_refused(refusal, case):
    changes, *expected = SHAPES[case]
    message = refusal(changes)
    assert [part for part in expected if part not in message] == []
