"""Files that lie at a URL, and the released ones, which users can fetch by name, without a params file."""

import re
from pathlib import PurePosixPath
from typing import Annotated, Self
from urllib.parse import unquote, urlsplit

from pydantic import Field, model_validator

from adm.config.base import Config, PositiveInt

FILENAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Accepted form of the last part of a URL, which becomes the name of a file."""


class PublishedFile(Config):
    """A published file: its URL and, if they are known, its size in bytes and its checksums."""

    url: str
    size: PositiveInt | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None

    @property
    def filename(self) -> str:
        """The name of the file: the last part of the URL's path."""
        return PurePosixPath(unquote(urlsplit(self.url).path)).name

    @property
    def file(self) -> "PublishedFile":
        """The file, without the fields about its use."""
        return PublishedFile(url=self.url, size=self.size, sha256=self.sha256, md5=self.md5)

    @model_validator(mode="after")
    def _url_names_a_file(self) -> Self:
        parts = urlsplit(self.url)
        is_local = parts.scheme == "file" and parts.hostname in (None, "localhost") and parts.path.startswith("/")
        is_remote = parts.scheme in ("http", "https") and parts.hostname
        if not self.url.isprintable() or not (is_local or is_remote):
            raise ValueError(f"url {self.url!r} is not accepted; write https://host/name or file:///folder/name")
        if not FILENAME.fullmatch(self.filename) or self.filename == "manifest.json":
            raise ValueError(f"url {self.url!r} ends in {self.filename!r}; write a name of letters, digits and _.+-")
        return self


ROOT = "https://openaipublic.blob.core.windows.net/diffusion/jul-2021/"
"""Where the released files lie."""

INCEPTION = PublishedFile(
    url=f"{ROOT}ref_batches/classify_image_graph_def.pb",
    size=95_673_916,
    md5="e6bb154e85f5d4331c22abcddb5dcf31",
)
"""The Inception graph of 2015. Source: the released evaluator, which fetches this file."""

CHECKPOINTS = {
    "64x64_diffusion": "imagenet64",
    "128x128_diffusion": "imagenet128",
    "256x256_diffusion": "imagenet256",
    "256x256_diffusion_uncond": "imagenet256_unconditional",
    "512x512_diffusion": "imagenet512",
    "64_256_upsampler": "upsampler_64_256",
    "128_512_upsampler": "upsampler_128_512",
    "64x64_classifier": "classifier_imagenet64",
    "128x128_classifier": "classifier_imagenet128",
    "256x256_classifier": "classifier_imagenet256",
    "512x512_classifier": "classifier_imagenet512",
    "lsun_bedroom": "lsun_bedroom",
    "lsun_cat": "lsun_cat",
    "lsun_horse": "lsun_horse",
    "lsun_horse_nodropout": "lsun_horse_nodropout",
}
"""The presets of released checkpoints, by the names of their files."""

REFERENCES = {
    **{f"imagenet{side}": f"imagenet/{side}/VIRTUAL_imagenet{side}_labeled.npz" for side in (64, 128, 256)},
    "imagenet512": "imagenet/512/VIRTUAL_imagenet512.npz",
    **{f"lsun_{kind}256": f"lsun/{kind}/VIRTUAL_lsun_{kind}256.npz" for kind in ("bedroom", "cat", "horse")},
}
"""The places of the released reference batches, by short names."""

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

SAMPLES = {name: f"{folder}/{name}.npz" for folder, names in _SAMPLES.items() for name in names}
"""The places of the released batches of samples, by the names of their files."""

RELEASED: dict[str, PublishedFile] = {
    "inception": INCEPTION,
    **{name: PublishedFile(url=f"{ROOT}{name}.pt") for name in CHECKPOINTS},
    # Several public programs check this file so; of the others neither size nor checksum is known.
    "256x256_diffusion_uncond": PublishedFile(
        url=f"{ROOT}256x256_diffusion_uncond.pt",
        size=2_211_383_297,
        sha256="a37c32fffd316cd494cf3f35b339936debdc1576dad13fe57c42399a5dbc78b1",
    ),
    **{name: PublishedFile(url=f"{ROOT}ref_batches/{path}") for name, path in (REFERENCES | SAMPLES).items()},
}
"""The released files that `adm fetch NAME` fetches, by name."""
