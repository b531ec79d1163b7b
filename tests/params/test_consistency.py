"""What one section says of another must hold: each contradiction is refused by its place, with what was found."""

import pytest

from adm.params import Params, UserError, check
from adm.params.references import visit

URL = "https://example.org/file.npz"
GRAPH = {"url": URL, "executor": "torch"}
REFERENCE = {"url": URL, "image_size": 8, "extractor": "digits"}
SAMPLES = {"url": URL, "image_size": 8, "num_samples": 10, "reference": "digits"}
POINT = {"url": URL, "model": "adm-128", "iteration": 9}
AVERAGES = "models.adm-128.training.averages"
LENGTHS = {"kind": "curves", "x": "ema_length", "y": ["fid"], "caption": "Over the length."}
RUN, STACK, GAN = "runs.scale-2", "upsampled_runs.stack-540-500", "gan_runs.gan-1"
PICTURE, NEIGHBOURS = "interpolations.interpolation-1", "neighbours.neighbours-ddim"
LIKELIHOOD = "likelihoods.likelihood-250"
PUBLISHED = {"references": {"batch": REFERENCE}, "checkpoints": {"point": POINT}, "samples": {"batch": SAMPLES}}


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


NETWORK = {"url": "https://example.org/file.pth", "network": "dinov2-vitl14"}
JUDGES = {"rows": ["scale-2"], "metrics": ["fid"], "caption": "By two.", "kind": "own"}

# Changes of the params file; then the place that is refused, and what the message names.
CONTRADICTIONS = {
    "an order above the steps": (
        {f"{RUN}.sampler": "unipc", f"{RUN}.order": 3, f"{RUN}.steps": "2"},
        f"{RUN}.order",
        "3",
        "'2'",
    ),
    # Judges.
    "a judge that there is not": (
        {"tables.further": JUDGES | {"judges": ["vgg"]}},
        "tables.further.judges",
        "'vgg' is not among extractors",
        "digits",
    ),
    "the first extractor as a judge": (
        {"tables.further": JUDGES | {"judges": ["digits"]}},
        "tables.further.judges",
        "'digits'",
        "'scale-2'",
        "leave it out",
    ),
    "published values of no judge": (
        {"tables.further": JUDGES | {"published": "dinov2"}},
        "tables.further.published",
        "'dinov2'",
        "there are none",
    ),
    "published values of another judge": (
        {"published.graphs": {"net": NETWORK}, "tables.further": JUDGES | {"judges": ["net"], "published": "net"}},
        "tables.further.published",
        "'net'",
    ),
    "a reference of pooled features alone": (
        {"published.graphs": {"net": NETWORK}, "references.digits.extractor": "net"},
        "references.digits.extractor",
        "'net'",
        "judges",
    ),
    # Names of the wrong thing.
    "sampling a classifier": ({f"{RUN}.checkpoint": "classifier-128-300"}, f"{RUN}.checkpoint", "'classifier'"),
    "upsampling by a diffusion model": ({f"{STACK}.checkpoint": "adm-128-500"}, f"{STACK}.checkpoint", "'diffusion'"),
    "guidance by a denoiser": ({f"{RUN}.classifier": "adm-128-0"}, f"{RUN}.classifier", "'adm-128-0'", "'diffusion'"),
    "encoding by a classifier": (
        {f"{PICTURE}.checkpoint": "classifier-128-0"},
        f"{PICTURE}.checkpoint",
        "'classifier'",
    ),
    "likelihood of an upsampler": ({f"{LIKELIHOOD}.checkpoint": "adm-u-0"}, f"{LIKELIHOOD}.checkpoint", "'upsampler'"),
    # Steps that a process has not.
    "more steps than timesteps": ({f"{RUN}.steps": "1001"}, f"{RUN}.steps", "'1001'", "1000"),
    "more steps in a fifth": ({f"{RUN}.steps": "600,10"}, f"{RUN}.steps", "'600,10'", "500"),
    "no whole stride": ({f"{RUN}.steps": "ddim700"}, f"{RUN}.steps", "'ddim700'"),
    "no steps": ({f"{RUN}.steps": "0"}, f"{RUN}.steps", "'0'"),
    "more steps to encode by": ({f"{PICTURE}.steps": "1001"}, f"{PICTURE}.steps", "'1001'"),
    "more steps of a likelihood": ({f"{LIKELIHOOD}.steps": "1001"}, f"{LIKELIHOOD}.steps", "'1001'"),
    # Averages after the fact.
    "length of a model without averages": ({f"{RUN}.ema_length": 0.08}, f"{RUN}.ema_length", "0.08", "'adm-128'"),
    "length of weights that were not trained": (
        {AVERAGES: {"every": 10}, f"{RUN}.checkpoint": "adm-128-0", f"{RUN}.ema_length": 0.08},
        f"{RUN}.ema_length",
        "'adm-128-0'",
    ),
    "length beyond what snapshots represent": (
        {AVERAGES: {"every": 200}, f"{RUN}.ema_length": 0.28},
        f"{RUN}.ema_length",
        "[0.05, 0.1] of 22 snapshots",
        "17%",
        "10%",
    ),
    "averages of one length": ({AVERAGES: {"every": 10, "lengths": [0.1]}}, f"{AVERAGES}.lengths", "[0.1]", "2"),
    "averages without snapshots": ({AVERAGES: {"lengths": [0.05, 0.1]}}, f"{AVERAGES}.every", "missing"),
    "curve over the length of runs that have none": (
        {f"{RUN}.ema_length": 0.1, AVERAGES: {"every": 200}}
        | {"figures.mine": LENGTHS | {"curves": {"one": ["scale-2", "scale-4"]}}},
        "figures.mine.x",
        "'scale-4'",
        "ema_length",
    ),
    # Models and what they are trained on.
    "images of another size": ({"datasets.digits.image_size": 16}, "models.adm-128.dataset", "is 16", "has 8"),
    "images of other classes": ({"datasets.digits.num_classes": 7}, "models.adm-128.dataset", "is 7", "has 10"),
    "training past its learning rate": (
        {"models.classifier-128.training.annealing": 900},
        "models.classifier-128.checkpoints",
        "1000",
        "annealing 900",
    ),
    "processes that share no batch": ({"resources.train.processes": 3}, "resources.train.processes", "3", "models."),
    "nodes whose processes share no batch": (
        {"resources.train.nodes": 3},
        "resources.train.processes",
        "1 on 3 nodes",
        "models.",
    ),
    "processes that share masks of dropout": (
        {"resources.train.processes": 2},
        "resources.train.processes",
        "dropout 0.1",
    ),
    # Guidance.
    "classifier of another schedule": (
        {"models.classifier-128.noise.schedule": "linear"},
        "runs.adm-128-250.classifier",
        "'linear'",
        "'cosine'",
    ),
    "classifier of another length": (
        {"models.classifier-128.noise.timesteps": 500},
        "runs.adm-128-250.classifier",
        "500",
        "1000",
    ),
    "classifier of another size": ({f"{RUN}.classifier": "classifier-64-500"}, f"{RUN}.classifier", "is 4", "has 8"),
    "classifier of other classes": (
        {"models.classifier-128.network.num_classes": 5, "models.classifier-128.dataset": "five"}
        | {"datasets.five": {"source": "digits", "image_size": 8, "num_classes": 5}},
        "runs.adm-128-250.classifier",
        "is 5",
        "has 10",
    ),
    "encoding guided at another size": (
        {f"{PICTURE}.classifier": "classifier-64-500"},
        f"{PICTURE}.classifier",
        "is 4",
        "has 8",
    ),
    # Runs and what they are made of and scored against.
    "base of another size": ({f"{STACK}.base": "scale-2"}, f"{STACK}.base", "is 8", "has 4"),
    "base of fewer samples": ({f"{STACK}.num_samples": 401}, f"{STACK}.base", "400", "401"),
    "claim on too few samples": (
        {
            "runs.few": "= runs.scale-0",
            "runs.few.num_samples": 7,
            "claims.few": {
                "statement": "S.",
                "source": "A",
                "kind": "lower",
                "metric": "fid",
                "run": "few",
                "than": "fewer",
            },
            "runs.fewer": "= runs.scale-2",
            "runs.fewer.num_samples": 7,
        },
        "claims.few",
        "'few' has 7 samples",
        "8 or more",
    ),
    "class that a gan lacks": ({f"{GAN}.classes": [3, 10]}, f"{GAN}.classes", "10"),
    "reference of another size": ({f"{RUN}.reference": "digits-64"}, f"{RUN}.reference", "4", "8"),
    "published reference of another size": (
        {"published.references.batch": REFERENCE | {"image_size": 16}, f"{RUN}.reference": "batch"},
        f"{RUN}.reference",
        "16",
        "8",
    ),
    "published samples of another size": (
        {"published.samples.batch": SAMPLES | {"image_size": 64}},
        "published.samples.batch.reference",
        "8",
        "64",
    ),
    # Studies and the images that they take.
    "likelihood of small images": ({f"{LIKELIHOOD}.dataset": "digits-64"}, f"{LIKELIHOOD}.dataset", "is 4", "has 8"),
    "likelihood of other classes": (
        {"datasets.more": "= datasets.digits", "datasets.more.num_classes": 11, f"{LIKELIHOOD}.dataset": "more"},
        f"{LIKELIHOOD}.dataset",
        "is 11",
        "has 10",
    ),
    "neighbours in a reference without images": (
        {"published.references.batch": REFERENCE, "runs.ddim-256-2_5.reference": "batch"},
        f"{NEIGHBOURS}.run",
        "'batch'",
    ),
    # Grey and coloured, held out and trained on.
    "coloured model of grey images": (
        {"datasets.bedroom.channels": 1},
        "models.lsun-bedroom.dataset",
        "channels is 1",
        "has 3",
    ),
    "grey base of a coloured upsampler": (
        {"models.adm-64.network.image_channels": 1, "models.classifier-64.network.image_channels": 1}
        | {"datasets.digits-64.channels": 1},
        "upsampled_runs.stack-540-150.base",
        "image_channels is 1",
        "has 3",
    ),
    "grey model with a coloured classifier": (
        {"models.adm-64.network.image_channels": 1, "models.adm-64.dataset": "grey"}
        | {"datasets.grey": "= datasets.digits-64", "datasets.grey.channels": 1},
        "runs.base-200.classifier",
        "image_channels is 3",
        "has 1",
    ),
    "encoding grey images": (
        {"datasets.grey": "= datasets.digits", "datasets.grey.channels": 1, f"{PICTURE}.dataset": "grey"},
        f"{PICTURE}.dataset",
        "channels is 1",
        "has 3",
    ),
    "likelihood of images that nobody held out": (
        {f"{LIKELIHOOD}.part": "held_out"},
        f"{LIKELIHOOD}.part",
        "held_out 0.0",
    ),
    "model named as a checkpoint": ({"models.adm-128-500": "= models.adm-128"}, "models.adm-128-500", "'adm-128'"),
}


@pytest.mark.parametrize("case", CONTRADICTIONS)
def test_sections_that_contradict_each_other_are_refused(refusal, case):
    changes, place, *named = CONTRADICTIONS[case]
    message = refusal(changes)
    assert message.startswith(f"{place}: ")
    assert [part for part in named if part not in message] == []


FITTING = {
    "published files that nothing uses": {
        "published.graphs.inception": GRAPH,
        "published.references.batch": REFERENCE,
        "published.checkpoints.point": POINT,
        "published.samples.batch": SAMPLES,
    },
    "run of a published checkpoint": {"published.checkpoints.point": POINT, f"{RUN}.checkpoint": "point"},
    "run against a published reference": {"published.references.batch": REFERENCE, f"{RUN}.reference": "batch"},
    "larger images for random crops": {
        "datasets.big": {"source": "digits", "image_size": 16, "num_classes": 10},
        "models.classifier-128.dataset": "big",
    },
    "an average of another length": {f"{RUN}.ema_length": 0.2, AVERAGES: {"every": 200}},
    "classifier at scale zero": {f"{RUN}.gradient_scale": 0},
    "likelihood under an initial checkpoint": {f"{LIKELIHOOD}.checkpoint": "adm-128-0"},
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
    "a file of models alone": {
        **{name: {} for name in ("runs", "upsampled_runs", "gan_runs", "interpolations", "neighbours")},
        **{name: {} for name in ("likelihoods", "throughput", "tables", "figures", "claims")},
    },
}


@pytest.mark.parametrize("case", FITTING)
def test_what_fits_is_accepted(checked, case):
    checked(FITTING[case])
