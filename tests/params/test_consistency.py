"""What one section says of another must hold: each contradiction is met by one line, with the place and the value."""

import pytest

URL = "https://example.org/file.npz"
GRAPH = {"url": URL, "executor": "torch", "feature_batch": 8, "threads": 1}
REFERENCE = {"url": URL, "image_size": 8, "extractor": "inception", "threads": 1}
SAMPLES = {
    "url": URL,
    "image_size": 8,
    "num_samples": 10,
    "extractor": "digits",
    "reference": "digits",
    "replicates": 10,
    "threads": 1,
}
POINT = {"url": URL, "model": "adm-128", "iteration": 9}
BIG = {"source": "digits", "image_size": 16, "num_classes": 10, "shard_size": 9}
STACK, GAN, PICTURE = "upsampled_runs.stack-540-500", "gan_runs.gan-1", "interpolations.interpolation-1"
NEIGHBOURS, VARIATION = "neighbours.neighbours-ddim", "variations.variation-256"
LIKELIHOOD = "likelihoods.likelihood-250"


# Changes of the params file; then what the message must contain: the key's path, the value, what is accepted.
NAMES = {
    # Names of nothing.
    "gan of no dataset": ({"gans.digits.dataset": "cats"}, "gans.digits.dataset", "'cats'", "digits"),
    "run of no gan": ({f"{GAN}.gan": "biggan"}, f"{GAN}.gan", "'biggan'", "there are digits"),
    "stack of no base": (
        {f"{STACK}.base": "base-541"},
        f"{STACK}.base",
        "'base-541'",
        "nearest are base-540",
    ),
    "stack on a stack": ({f"{STACK}.base": "stack-540-150"}, f"{STACK}.base", "'stack-540-150' is not among runs"),
    "stack of no checkpoint": ({f"{STACK}.checkpoint": "adm-u-7"}, f"{STACK}.checkpoint", "'adm-u-7'", "adm-u-500"),
    "gan run of no reference": ({f"{GAN}.reference": "cats"}, f"{GAN}.reference", "'cats'", "digits"),
    "gan run of no extractor": ({f"{GAN}.extractor": "vgg"}, f"{GAN}.extractor", "'vgg'", "digits"),
    "interpolation of no checkpoint": (
        {f"{PICTURE}.checkpoint": "adm-256-7"},
        f"{PICTURE}.checkpoint",
        "'adm-256-7'",
        "adm-256-750",
    ),
    "interpolation of no dataset": ({f"{PICTURE}.dataset": "cats"}, f"{PICTURE}.dataset", "'cats'", "digits-64"),
    "neighbours of no run": ({f"{NEIGHBOURS}.run": "ddim-3"}, f"{NEIGHBOURS}.run", "'ddim-3'", "ddim-2"),
    "neighbours of no reference": (
        {f"{NEIGHBOURS}.reference": "cats"},
        f"{NEIGHBOURS}.reference",
        "'cats' is not among references",
        "there are digits",
    ),
    "variation of no run": ({f"{VARIATION}.run": "adm-256"}, f"{VARIATION}.run", "'adm-256'", "adm-256-250"),
    "variation of a stack": (
        {f"{VARIATION}.run": "stack-540-500"},
        f"{VARIATION}.run",
        "'stack-540-500' is not among runs",
    ),
    "throughput of no model": (
        {"throughput.throughput-u.model": "adm-v"},
        "throughput.throughput-u.model",
        "'adm-v'",
        "adm-u",
    ),
    "published checkpoint of no model": (
        {"published.checkpoints.point": POINT | {"model": "adm-129"}},
        "published.checkpoints.point.model",
        "'adm-129'",
        "adm-128",
    ),
    "published reference of no graph": (
        {"published.references.batch": REFERENCE},
        "published.references.batch.extractor",
        "'inception'",
        "there are digits",
    ),
    "published samples of no reference": (
        {"published.samples.batch": SAMPLES | {"reference": "cats"}},
        "published.samples.batch.reference",
        "'cats'",
        "digits",
    ),
    # Names of the wrong thing.
    "upsampling by a diffusion model": (
        {f"{STACK}.checkpoint": "adm-128-500"},
        f"{STACK}.checkpoint",
        "'adm-128-500' is of kind 'diffusion'",
        "not 'upsampler'",
    ),
    "run of the upsampler": (
        {"runs.base-540.checkpoint": "adm-u-500"},
        "runs.base-540.checkpoint",
        "'upsampler'",
        "not 'diffusion'",
    ),
    "base of another size": (
        {f"{STACK}.base": "scale-2", f"{STACK}.num_samples": 500},
        f"{STACK}.base",
        "image_size is 8",
        "model 'adm-u' at low resolution has 4",
    ),
    "base of fewer samples": (
        {f"{STACK}.num_samples": 401},
        f"{STACK}.base",
        "'base-540' has 400 samples",
        "fewer than the 401",
    ),
    "processes that share no batch evenly": (
        {"resources.train.processes": 3},
        "resources.train.processes: 3",
        "models.adm-128.training",
        "batch_size 16 in 1 micro-batches",
    ),
    "processes that share the masks of dropout": (
        {"resources.train.processes": 2},
        "resources.train.processes: 2",
        "models.lsun-bedroom.training",
        "dropout 0.1",
        "raise accumulation to a multiple of 2",
    ),
    "steps that an upsampler lacks": ({f"{STACK}.steps": "1001"}, f"{STACK}.steps", "'1001'", "1000"),
    "reference of another size for a stack": (
        {f"{STACK}.reference": "digits-64"},
        f"{STACK}.reference",
        "'digits-64' has image_size 4",
        "images have 8",
    ),
    "reference of another size for a gan": (
        {f"{GAN}.reference": "digits-64"},
        f"{GAN}.reference",
        "'digits-64' has image_size 4",
        "images have 8",
    ),
    "published reference of another size": (
        {
            "published.references.batch": REFERENCE | {"image_size": 16, "extractor": "digits"},
            "runs.scale-2.reference": "batch",
        },
        "runs.scale-2.reference",
        "'batch' has image_size 16",
        "images have 8",
    ),
    "published samples of another size": (
        {"published.samples.batch": SAMPLES | {"image_size": 64}},
        "published.samples.batch.reference",
        "'digits' has image_size 8",
        "images have 64",
    ),
    "graph that is not the reference's": (
        {"published.graphs.inception": GRAPH, f"{GAN}.extractor": "inception"},
        f"{GAN}.extractor",
        "'inception' is not 'digits'",
    ),
    "class that a gan lacks": ({f"{GAN}.classes": [3, 10]}, f"{GAN}.classes", "10 is no class", "there are 10"),
    "uniform model, published": (
        {"published.checkpoints.point": POINT | {"model": "unguided"}},
        "published.checkpoints.point.model",
        "'unguided' is of kind 'uniform'",
    ),
    "uniform model, timed": (
        {"throughput.throughput-u.model": "unguided"},
        "throughput.throughput-u.model",
        "'unguided' is of kind 'uniform'",
    ),
    "interpolation by a classifier": (
        {f"{PICTURE}.checkpoint": "classifier-128-300"},
        f"{PICTURE}.checkpoint",
        "kind 'classifier'",
        "not 'diffusion'",
    ),
    "interpolation between small images": (
        {f"{PICTURE}.dataset": "digits-64"},
        f"{PICTURE}.dataset",
        "image_size is 4",
        "'adm-256' has 8",
    ),
    "interpolation guided by nothing": (
        {f"{PICTURE}.classifier": "unguided-0"},
        f"{PICTURE}.gradient_scale: 1.0",
        "use 0.0",
    ),
    "interpolation guided by another size": (
        {f"{PICTURE}.classifier": "classifier-64-500"},
        f"{PICTURE}.classifier",
        "image_size is 4",
        "'adm-256' has 8",
    ),
    "interpolation of more steps": ({f"{PICTURE}.steps": "1001"}, f"{PICTURE}.steps", "'1001'", "1000"),
    "neighbours in another dataset": (
        {f"{NEIGHBOURS}.dataset": "cat"},
        f"{NEIGHBOURS}.dataset",
        "'cat' is not 'digits'",
        "reference 'digits'",
    ),
    "neighbours by another graph": (
        {
            "extractors.other": "= extractors.digits",
            "references.other": "= references.digits",
            "references.other.extractor": "other",
            f"{NEIGHBOURS}.reference": "other",
        },
        f"{NEIGHBOURS}.reference",
        "extractor 'other' is not 'digits'",
        "run 'ddim-256-2_5'",
    ),
    "neighbours of another size": (
        {f"{NEIGHBOURS}.reference": "digits-64", f"{NEIGHBOURS}.dataset": "digits-64"},
        f"{NEIGHBOURS}.dataset",
        "image_size is 4",
        "run 'ddim-256-2_5' has 8",
    ),
    "variation of another checkpoint": (
        {f"{VARIATION}.checkpoint": "adm-256-1500"},
        f"{VARIATION}.checkpoint",
        "'adm-256-1500' is not 'adm-256-1980'",
        "run 'adm-256-1980'",
    ),
    "variation of another classifier": (
        {f"{VARIATION}.classifier": "classifier-128-300"},
        f"{VARIATION}.classifier",
        "'classifier-128-300' is not 'classifier-128-1000'",
    ),
    "variation without a classifier": (
        {
            f"{VARIATION}.run": "scale-0",
            f"{VARIATION}.checkpoint": "adm-128-4360",
            f"{VARIATION}.classifier": "unguided-0",
        },
        f"{VARIATION}.scales",
        "uniform classifier",
    ),
    "variation beyond its run": (
        {f"{VARIATION}.num_samples": 401},
        f"{VARIATION}.num_samples: 401",
        "exceeds the 400",
    ),
    "likelihood of no checkpoint": (
        {f"{LIKELIHOOD}.checkpoint": "adm-128-251"},
        f"{LIKELIHOOD}.checkpoint",
        "'adm-128-251'",
        "adm-128-250",
    ),
    "likelihood of no dataset": ({f"{LIKELIHOOD}.dataset": "cats"}, f"{LIKELIHOOD}.dataset", "'cats'", "digits-64"),
    "likelihood under a classifier": (
        {f"{LIKELIHOOD}.checkpoint": "classifier-128-300"},
        f"{LIKELIHOOD}.checkpoint",
        "kind 'classifier'",
        "not 'diffusion'",
    ),
    "likelihood under an upsampler": (
        {f"{LIKELIHOOD}.checkpoint": "adm-u-500"},
        f"{LIKELIHOOD}.checkpoint",
        "kind 'upsampler'",
        "not 'diffusion'",
    ),
    "likelihood of small images": (
        {f"{LIKELIHOOD}.dataset": "digits-64"},
        f"{LIKELIHOOD}.dataset",
        "image_size is 4",
        "'adm-128' has 8",
    ),
    "likelihood of other classes": (
        {"datasets.more": "= datasets.digits", "datasets.more.num_classes": 11, f"{LIKELIHOOD}.dataset": "more"},
        f"{LIKELIHOOD}.dataset",
        "num_classes is 11",
        "'adm-128' has 10",
    ),
    "likelihood at more steps": ({f"{LIKELIHOOD}.steps": "1001"}, f"{LIKELIHOOD}.steps", "'1001'", "1000"),
    "likelihood of more images than a dataset is limited to": (
        {"datasets.few": "= datasets.digits", "datasets.few.limit": 49, f"{LIKELIHOOD}.dataset": "few"}
        | {f"{LIKELIHOOD}.num_images": 50},
        f"{LIKELIHOOD}.num_images: 50",
        "limit 49 of dataset 'few'",
    ),
    # Grey and coloured, held out and trained on.
    "coloured model of grey images": (
        {"datasets.bedroom.channels": 1},
        "segments.lsun-bedroom-800.dataset",
        "channels is 1",
        "model 'lsun-bedroom' has 3",
    ),
    "grey model of coloured images": (
        {"models.adm-64.network.image_channels": 1},
        "segments.adm-64-200.dataset",
        "channels is 3",
        "model 'adm-64' has 1",
    ),
    "grey base of a coloured upsampler": (
        {"models.adm-64.network.image_channels": 1, "models.classifier-64.network.image_channels": 1}
        | {"datasets.digits-64.channels": 1},
        f"{STACK}.base",
        "image_channels is 1",
        "model 'adm-u' has 3",
    ),
    "grey model with a coloured classifier": (
        {"models.adm-64.network.image_channels": 1, "datasets.grey": "= datasets.digits-64"}
        | {"datasets.grey.channels": 1, "segments.adm-64-200.dataset": "grey", "segments.adm-64-540.dataset": "grey"},
        "runs.base-200.classifier",
        "image_channels is 3",
        "model 'adm-64' has 1",
    ),
    "coloured interpolation of grey images": (
        {"datasets.grey": "= datasets.digits", "datasets.grey.channels": 1, f"{PICTURE}.dataset": "grey"},
        f"{PICTURE}.dataset",
        "channels is 1",
        "'adm-256' has 3",
    ),
    "coloured likelihood of grey images": (
        {"datasets.grey": "= datasets.digits", "datasets.grey.channels": 1, f"{LIKELIHOOD}.dataset": "grey"},
        f"{LIKELIHOOD}.dataset",
        "channels is 1",
        "'adm-128' has 3",
    ),
    "channels that no image has": ({"datasets.digits.channels": 2}, "datasets.digits.channels", "2", "1 or 3"),
    "everything held out": ({"datasets.digits.held_out": 1.0}, "datasets.digits.held_out", "1.0"),
    "likelihood of images that nobody held out": (
        {f"{LIKELIHOOD}.part": "held_out"},
        f"{LIKELIHOOD}.part: 'held_out'",
        "dataset 'digits' has held_out 0.0",
    ),
    # Names of two things.
    "run twice": (
        {"gan_runs.scale-2": f"= {GAN}"},
        "gan_runs.scale-2",
        "'scale-2' names a run of runs already",
    ),
    "run and published samples": (
        {"published.samples.stack-540-500": SAMPLES},
        "published.samples.stack-540-500",
        "names a run of upsampled_runs already",
    ),
    "segment and published checkpoint": (
        {"published.checkpoints.adm-128-500": POINT},
        "published.checkpoints.adm-128-500",
        "names a checkpoint of segments already",
    ),
    "initial and published checkpoint": (
        {"published.checkpoints.adm-u-0": POINT},
        "published.checkpoints.adm-u-0",
        "the initial checkpoint of model 'adm-u'",
    ),
    "extractor and published graph": (
        {"published.graphs.digits": GRAPH},
        "published.graphs.digits",
        "names a graph of extractors already",
    ),
    "reference and published reference": (
        {"published.references.cat": REFERENCE},
        "published.references.cat",
        "names a reference of references already",
    ),
    "study twice": (
        {"variations.neighbours-ddim": f"= {VARIATION}"},
        "variations.neighbours-ddim",
        "names a study of neighbours already",
    ),
}


@pytest.mark.parametrize("case", NAMES)
def test_sections_that_do_not_fit_each_other_are_refused(refusal, case):
    changes, *expected = NAMES[case]
    message = refusal(changes)
    assert [part for part in expected if part not in message] == []


FITTING = {
    "published files that nothing uses": {
        "published.graphs.inception": GRAPH,
        "published.references.batch": REFERENCE,
        "published.checkpoints.point": POINT,
        "published.samples.batch": SAMPLES,
    },
    "run of a published checkpoint": {"published.checkpoints.point": POINT, "runs.scale-2.checkpoint": "point"},
    "segment after a published checkpoint": {
        "published.checkpoints.point": POINT,
        "segments.adm-128-250.previous": "point",
    },
    "run against a published reference": {
        "published.references.batch": REFERENCE | {"extractor": "digits"},
        "runs.scale-2.reference": "batch",
    },
    "larger images for random crops": {
        "datasets.big": BIG,
        "segments.classifier-128-300.dataset": "big",
        "segments.classifier-128-1000.dataset": "big",
    },
    "figure absent with a reason": {
        "figures.random_grids.figure_18": ...,
        "figures.absent.figure_18": {"reason": "nobody asked for it"},
    },
    "a run in several rows": {"tables.table_8.rows": ["gan-1", "gan-1", "scale-2"]},
    "a reason in place of every row": {"tables.appendix_k.rows": ["nothing was swept"]},
    "expected minutes that nobody knows": {"execution.expected_minutes": None},
    "likelihood under an initial checkpoint": {f"{LIKELIHOOD}.checkpoint": "adm-128-0"},
    "likelihood under a model without classes": {
        f"{LIKELIHOOD}.checkpoint": "lsun-cat-800",
        f"{LIKELIHOOD}.dataset": "bedroom",
        f"{LIKELIHOOD}.steps": "5,5,5,5,5",
    },
    "likelihood at all steps by name": {f"{LIKELIHOOD}.steps": None},
    "gan of some classes": {f"{GAN}.classes": [9, 0]},
    "likelihood of held-out images": {"datasets.digits.held_out": 0.2, f"{LIKELIHOOD}.part": "held_out"},
    "grey from the images to the samples": {
        # The three models share their network's section.
        "models.lsun-cat.network.image_channels": 1,
        **{f"datasets.{name}.channels": 1 for name in ("bedroom", "horse", "cat")},
    },
}


@pytest.mark.parametrize("case", FITTING)
def test_what_fits_is_accepted(checked, case):
    checked(FITTING[case])


def test_a_long_list_of_keys_is_never_printed_whole(refusal):
    # A message that names all of a hundred runs is read by nobody.
    for place in ("tables.table_8.rows.0", "runs.scale-2.checkpoint", "throughput.throughput-u.model"):
        assert len(refusal({place: "x"})) < 200
