"""Released files, which users can fetch by name, without a params file."""

from typing import NamedTuple

from adm.config.files import PublishedFile

ROOT = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/"
"""Where the released files lie."""

INCEPTION = PublishedFile(
    url=f"{ROOT}ref_batches/classify_image_graph_def.pb",
    size=95_673_916,
    md5="e6bb154e85f5d4331c22abcddb5dcf31",
)
"""The Inception graph of 2015. Source: the released evaluator, which fetches this file."""


class Released(NamedTuple):
    """A released checkpoint: the preset of its network, and the number of its parameters."""

    preset: str
    parameters: int


CHECKPOINTS = {
    "64x64_diffusion": Released("imagenet64", 295_904_454),
    "128x128_diffusion": Released("imagenet128", 421_529_606),
    "256x256_diffusion": Released("imagenet256", 553_838_086),
    "256x256_diffusion_uncond": Released("imagenet256_unconditional", 552_814_086),
    "512x512_diffusion": Released("imagenet512", 558_997_638),
    "64_256_upsampler": Released("upsampler_64_256", 311_795_910),
    "128_512_upsampler": Released("upsampler_128_512", 308_835_270),
    "64x64_classifier": Released("classifier_imagenet64", 65_438_568),
    "128x128_classifier": Released("classifier_imagenet128", 42_568_040),
    "256x256_classifier": Released("classifier_imagenet256", 54_096_360),
    "512x512_classifier": Released("classifier_imagenet512", 54_448_360),
    "lsun_bedroom": Released("lsun_bedroom", 552_814_086),
    "lsun_cat": Released("lsun_cat", 552_814_086),
    "lsun_horse": Released("lsun_horse", 552_814_086),
    "lsun_horse_nodropout": Released("lsun_horse_nodropout", 552_814_086),
}
"""The released checkpoints, by the names of their files."""


class Batch(NamedTuple):
    """A released batch of images: its place under ROOT, and the side of its images."""

    path: str
    side: int


REFERENCES = {
    **{
        f"imagenet{side}": Batch(f"imagenet/{side}/VIRTUAL_imagenet{side}_labeled.npz", side) for side in (64, 128, 256)
    },
    "imagenet512": Batch("imagenet/512/VIRTUAL_imagenet512.npz", 512),
    **{
        f"lsun_{kind}256": Batch(f"lsun/{kind}/VIRTUAL_lsun_{kind}256.npz", 256) for kind in ("bedroom", "cat", "horse")
    },
}
"""The released reference batches, by short names."""

_SAMPLES = {
    "imagenet/64": ("admnet_imagenet64", "biggan_deep_imagenet64", "iddpm_imagenet64"),
    **{
        f"imagenet/{side}": (
            *(f"admnet_{how}imagenet{side}" for how in ("", "guided_", "guided_25step_")),
            *(f"admnet_{how}imagenet{side}" for how in ("upsampled_", "guided_upsampled_") if side > 128),
            f"biggan_deep_trunc1_imagenet{side}",
        )
        for side in (128, 256, 512)
    },
    "lsun/bedroom": tuple(f"{model}_lsun_bedroom" for model in ("admnet_dropout", "ddpm", "iddpm", "stylegan")),
    "lsun/cat": ("admnet_dropout_lsun_cat", "stylegan2_lsun_cat"),
    "lsun/horse": ("admnet_dropout_lsun_horse", "admnet_lsun_horse"),
}

SAMPLES = {
    name: Batch(f"{folder}/{name}.npz", int(folder.removeprefix("imagenet/")) if "imagenet" in folder else 256)
    for folder, names in _SAMPLES.items()
    for name in names
}
"""The released batches of samples, by the names of their files."""

RELEASED: dict[str, PublishedFile] = {
    "inception": INCEPTION,
    **{name: PublishedFile(url=f"{ROOT}{name}.pt") for name in CHECKPOINTS},
    # Several public programs check this file so; of the others neither size nor checksum is known.
    "256x256_diffusion_uncond": PublishedFile(
        url=f"{ROOT}256x256_diffusion_uncond.pt",
        size=2_211_383_297,
        sha256="a37c32fffd316cd494cf3f35b339936debdc1576dad13fe57c42399a5dbc78b1",
    ),
    **{name: PublishedFile(url=f"{ROOT}ref_batches/{batch.path}") for name, batch in (REFERENCES | SAMPLES).items()},
}
"""The released files that `adm fetch NAME` fetches, by name."""

IMAGES_OF_REFERENCE, IMAGES_OF_SAMPLES = 10_000, 50_000
"""How many images a released batch holds."""

STATISTICS = 8 * (2048**2 + 2023**2)
"""Bytes of both covariances in a reference batch."""


def about(name: str) -> int:
    """Return the size of a released file in bytes, else what its weights or its pixels take."""
    if (size := RELEASED[name].size) is not None:
        return size
    if name in CHECKPOINTS:
        return 4 * CHECKPOINTS[name].parameters
    batch = REFERENCES.get(name) or SAMPLES[name]
    pixels = 3 * batch.side**2
    return IMAGES_OF_REFERENCE * pixels + STATISTICS if name in REFERENCES else IMAGES_OF_SAMPLES * pixels
