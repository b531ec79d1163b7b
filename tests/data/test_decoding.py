"""Image files as a person sees them: what a viewer shows is what is trained and scored."""

import re
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image, ImageCms
from pydantic import ValidationError

from adm.config.data import ImageSource
from adm.data.decoding import read_image
from adm.data.images import open_images
from adm.errors import UserError

GRADIENT = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 256, 3)


def encoded(image, kind="png", **options):
    with BytesIO() as file:
        image.save(file, kind, **options)
        return file.getvalue()


def seen(content, background="white"):
    return read_image(content, "an image", background)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_lies_as_its_camera_says(orientation):
    pixels = np.zeros((16, 24, 3), np.uint8)
    pixels[:8, :8] = 255  # the corner that is above and at the left
    upright = Image.fromarray(pixels)
    undone = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpositions that a viewer undoes
    stored = upright if orientation == 1 else upright.transpose(undone[orientation])
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = seen(encoded(stored, exif=exif))
    assert found.shape == (16, 24, 3)
    assert np.array_equal(found, pixels)
    assert read_image(encoded(stored, exif=exif)).shape[:2] == stored.size[::-1]  # as the released code reads


def test_16_bits_are_scaled():
    levels = np.arange(0, 65536, 257, dtype=np.uint16)[None]
    assert np.array_equal(seen(encoded(Image.fromarray(levels))), GRADIENT)
    assert np.array_equal(seen(encoded(Image.fromarray(levels), "tiff")), GRADIENT)


def test_floats_and_32_bits_of_a_tiff_are_the_levels_that_they_hold():
    levels = np.arange(256)[None]
    floats = (levels / 255).astype(np.float32), (levels / 254.9999).astype(np.float32), levels.astype(np.float32)
    for pixels in (*floats, levels.astype(np.int32), (257 * levels).astype(np.int32)):
        assert np.array_equal(seen(encoded(Image.fromarray(pixels), "tiff")), GRADIENT)
    for wrong in (-1.0, 256.0, np.nan):
        with pytest.raises(UserError, match="floats lie outside"):
            seen(encoded(Image.fromarray(np.full((4, 4), wrong, np.float32)), "tiff"))


@pytest.mark.parametrize(("background", "colour"), [("white", (255, 255, 255)), ("#102030", (16, 32, 48))])
def test_transparency_lies_on_the_background(background, colour):
    hidden = np.zeros((4, 4, 4), np.uint8)
    hidden[..., :3] = 7  # a colour that no viewer shows
    hidden[0, :, 3] = 255
    hidden[1, :, 3] = 51  # a fifth
    found = seen(encoded(Image.fromarray(hidden)), background)
    assert (found[0] == 7).all()
    assert np.abs(found[1].astype(float) - (0.2 * 7 + 0.8 * np.array(colour))).max() <= 1
    assert (found[2:] == colour).all()


def test_palettes_greys_and_transparent_colours_are_seen_as_they_are():
    palette = Image.new("P", (2, 1))
    palette.putpalette([255, 0, 0, 0, 0, 255])
    palette.putdata([0, 1])
    assert seen(encoded(palette)).tolist() == [[[255, 0, 0], [0, 0, 255]]]
    assert seen(encoded(palette, transparency=1)).tolist() == [[[255, 0, 0], [255, 255, 255]]]
    assert seen(encoded(Image.new("L", (1, 1), 9), transparency=9)).tolist() == [[[255, 255, 255]]]
    assert seen(encoded(Image.new("LA", (1, 1), (9, 255)))).tolist() == [[[9, 9, 9]]]
    assert seen(encoded(Image.new("RGB", (1, 1), (1, 2, 3)), transparency=(1, 2, 3))).tolist() == [[[255] * 3]]


def swapped():
    """A profile of colours in which red and green have changed places."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return content.replace(b"rXYZ", b"-XYZ").replace(b"gXYZ", b"rXYZ").replace(b"-XYZ", b"gXYZ")


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_profiles_are_turned_into_srgb(mode):
    image = Image.new("RGB", (2, 2), (200, 0, 0)).convert(mode)
    assert np.abs(seen(encoded(image, icc_profile=swapped())).astype(int) - [0, 200, 0]).max() <= 2
    assert seen(encoded(image, icc_profile=b"no profile")).tolist() == [[[200, 0, 0]] * 2] * 2
    assert read_image(encoded(image, icc_profile=swapped())).tolist() == [[[200, 0, 0]] * 2] * 2


def test_cmyk_is_printed_in_its_colours():
    found = seen(encoded(Image.new("CMYK", (8, 8), (255, 255, 0, 0)), "jpeg"))  # cyan and magenta
    assert (np.abs(found.astype(int) - [0, 0, 255]) <= 3).all()


def test_of_an_animation_the_first_frame_counts():
    frames = [Image.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    assert seen(encoded(frames[0], "gif", save_all=True, append_images=frames[1:])).tolist() == [[[255, 0, 0]] * 2] * 2


@pytest.mark.parametrize("kind", ["avif", "heif", "tiff", "webp"])
def test_formats_of_phones_and_of_the_web(kind):
    if kind == "heif":
        pytest.importorskip("pillow_heif", reason="is of the extra `heif`")
    found = seen(encoded(Image.new("RGB", (32, 32), (40, 90, 160)), kind))
    assert np.abs(found.astype(int) - [40, 90, 160]).max() <= 4


def test_what_is_scored_is_seen_as_what_is_trained(tmp_path):
    Image.new("RGBA", (4, 4), (7, 7, 7, 0)).save(tmp_path / "a.png")
    Image.new("L", (4, 4), 9).save(tmp_path / "b.png")
    (chunk,) = open_images(tmp_path).chunks(2)
    assert [image[0, 0].tolist() for image in chunk] == [[255, 255, 255], [9, 9, 9]]


WITHOUT_THE_EXTRA = """
import sys
from pathlib import Path
sys.modules["pillow_heif"] = None  # importing it fails
from adm.config.data import ImageSource
from adm.data.decoding import read_image
for name in ("a.jpg", "a.webp", "a.tiff", "a.heic"):
    print(read_image(Path(name), background="white").shape)
"""


def test_without_the_library_of_heic_all_else_is_read_and_heic_names_it(tmp_path):
    for name in ("a.jpg", "a.webp", "a.tiff"):
        Image.new("RGB", (6, 4)).save(tmp_path / name)
    (tmp_path / "a.heic").write_bytes(b"")
    command = [sys.executable, "-c", WITHOUT_THE_EXTRA]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stdout == "(4, 6, 3)\n" * 3
    assert "a.heic: is no readable image (needs pip install pillow-heif)" in done.stderr


def test_content_of_no_known_format_is_told_alike_each_time():
    told = "page.png: is no readable image (of no format that is known)"
    with pytest.raises(UserError, match=f"^{re.escape(told)}$"):
        read_image(b"<html>", "page.png")


@pytest.mark.parametrize("colour", ["blurple", "#12"])
def test_a_colour_that_is_none_is_refused_before_any_image(colour):
    with pytest.raises(ValidationError, match="unknown color specifier"):
        ImageSource(source="folder", root="x", image_size=8, num_classes=2, background=colour)
