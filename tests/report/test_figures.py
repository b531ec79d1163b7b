"""Figures: what they show, that nothing is cut off, and that the same input gives the same bytes."""

import io
import re
from collections.abc import Callable

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from PIL import Image
from sklearn.datasets import load_digits

from adm.config.metrics import METRICS, PAPER_METRICS
from adm.report import curves, figures, grids
from adm.sampling.studies import Likelihood

PAIRS = [["inception_score", "fid"], ["inception_score", "sfid"], ["recall", "precision"]]
IMAGES, LABELS = load_digits().images, load_digits().target


def _digits(count: int, size: int = 8) -> np.ndarray:
    digits = (IMAGES[:count] * (255 / 16)).astype(np.uint8)
    return np.stack([np.asarray(Image.fromarray(image).resize((size, size)).convert("RGB")) for image in digits])


def _sweep(values: list[float], shift: float = 0.0) -> pd.DataFrame:
    u = np.linspace(0, 1, len(values))
    return pd.DataFrame(
        {
            "value": values,
            "fid": 6 - 8 * u + 12 * u**2 + shift,
            "sfid": 5 + 4 * u**2 + shift,
            "inception_score": 60 + 150 * u,
            "precision": 0.6 + 0.2 * u + 0.02 * shift,
            "recall": 0.6 - 0.3 * u,
        }
    )


def _checkpoints(hours: float, fids: list[float]) -> pd.DataFrame:
    seconds = 3600 * np.linspace(hours / len(fids), hours, len(fids))
    return pd.DataFrame({"seconds": seconds, "fid": fids})


def _with_bounds(frame: pd.DataFrame) -> pd.DataFrame:
    metrics = [name for name in METRICS if name in frame]
    low = {f"{name}_low": 0.9 * frame[name] for name in metrics}
    return frame.assign(**low, **{f"{name}_high": 1.1 * frame[name] for name in metrics})


def _ablations(count: int = 9) -> Figure:
    panel = {
        f"curve {n}: channels=128, depth=2": _checkpoints(40 + n, [60.0, 30.0 - n, 20.0 - n / 2]) for n in range(count)
    }
    return curves.ablation_curves({"Architecture": panel, "Heads": dict(list(panel.items())[:2])}, "seconds")


def _trade_off() -> Figure:
    truncation, scale = _sweep([0.1 * n for n in range(1, 11)], 2), _with_bounds(_sweep([0, 0.5, 1, 2, 4, 8]))
    return curves.trade_off({"BigGAN-deep (truncation)": truncation, "ADM-G (scale)": scale}, PAIRS)


def _along(frames: dict[str, pd.DataFrame]) -> Figure:
    return curves.along(frames, ["fid", "precision", "recall"], "Temperature")


def _likelihood(count: int = 2, size: int = 1000) -> Likelihood:
    terms = 1.2 * np.arange(1, size + 1) ** -1.4 / count
    prior, spread = np.full(5, 1e-3), np.linspace(-0.1, 0.1, 5)
    steps = np.linspace(0, 999, size).round().astype(np.int64)
    bits = terms.sum() + prior + spread
    return Likelihood(steps, terms, np.arange(5), np.zeros(5, np.int64), bits, prior, bits)


def _likelihoods() -> Figure:
    return curves.likelihood(
        {
            "ImageNet 64x64, 200K iterations": _likelihood(1),
            "ImageNet 64x64, 540K iterations": _likelihood(2),
            "LSUN bedroom": _likelihood(3, 10),
            "one step": _likelihood(4, 1),
        }
    )


def _classes(size: int = 8) -> Figure:
    names = ["goldfish", "monarch butterfly", "bicycle-built-for-two"]
    return grids.class_grid(_digits(40, size), LABELS[:40], [0, 3, 9], 4, names)


def _neighbours(size: int = 8) -> Figure:
    images = _digits(12, size)
    block = images[:3], images[3:].reshape(3, 3, *images.shape[1:])
    return grids.neighbour_grid({"Gradient scale 1, 250 steps (FID 4.59)": block, "Scale 2.5": block})


def _scales() -> Figure:
    images = _digits(8)
    runs = images.reshape(4, 2, *images.shape[1:])
    return grids.comparison({"": dict(zip(("0", "0.5", "1", "5.5"), runs, strict=True))}, 1)


def _comparison() -> Figure:
    images = _digits(24)
    panels = {"GAN, truncation 1.0": images[:8], "ADM": images[8:16], "training set": images[16:]}
    return grids.comparison({"LSUN bedroom": panels, "LSUN horse": panels}, 4)


def _interpolation() -> Figure:
    images = _digits(14)
    shape = images.shape[1:]
    return grids.interpolation_grid(images[:4].reshape(2, 2, *shape), images[4:].reshape(2, 5, *shape))


DRAWN: dict[str, Callable[[], Figure]] = {
    "ablations": _ablations,
    "trade_off": _trade_off,
    "likelihoods": _likelihoods,
    "classes": _classes,
    "random": lambda: grids.random_grid(_digits(144), 12, 12),
    "one_image": lambda: grids.random_grid(_digits(1), 1, 1),
    "neighbours": _neighbours,
    "scales": _scales,
    "comparison": _comparison,
    "interpolation": _interpolation,
    "steps": lambda: curves.ablation_curves(
        {"": {"many": pd.DataFrame({"evaluations": [1, 9, 10, 11, 250, 256], "fid": [9.0, 8, 7, 6, 5, 4]})}},
        "evaluations",
    ),
    "six_decades": lambda: curves.ablation_curves(
        {"": {"all": pd.DataFrame({"seconds": [3.0, 9e5], "fid": [9e5, 0.03]})}}, "seconds"
    ),
    "long_names": lambda: grids.class_grid(
        _digits(4), np.arange(4), [0, 1, 2, 3], 2, ["a name of a great many words " * 4] * 4
    ),
    "narrow_columns": lambda: grids.comparison(
        {"": dict.fromkeys(["classifier-free guidance", "DPM-Solver++(2M)"], _digits(2))}, 1
    ),
    "many_panels": lambda: curves.along({"a": _sweep([1, 2]), "b": _sweep([1, 3], 1)}, list(PAPER_METRICS), "Steps"),
    "one_panel": lambda: curves.along({"a": _sweep([1, 2])}, ["fid"], "Training iterations"),
}


def _texts(figure: Figure) -> list[Text]:
    """The texts that are drawn; ticks beyond the limits of an axis keep labels that are not."""
    figure.draw_without_rendering()
    hidden = set()
    for axis in [axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)]:
        low, high = sorted(axis.get_view_interval())
        hidden |= {tick.label1 for tick in axis.get_major_ticks() if not low <= tick.get_loc() <= high}
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and artist not in hidden)
    return [text for text in texts if text.get_visible() and text.get_text().strip()]


def _strings(figure: Figure) -> list[str]:
    return [text.get_text().replace("\u00a0", " ") for text in _texts(figure)]


def _pixels(figure: Figure) -> np.ndarray:
    file = io.BytesIO()
    with mpl.rc_context(figures.STYLE):
        figure.savefig(file, format="png")
    return np.asarray(Image.open(file).convert("RGB"))


def _mosaic(figure: Figure) -> np.ndarray:
    return np.asarray(figure.axes[0].images[0].get_array())


@pytest.mark.parametrize("draw", DRAWN.values(), ids=DRAWN)
def test_nothing_is_cut_off_or_overlaps_and_the_text_is_legible(draw: Callable[[], Figure]) -> None:
    figure = figures.captioned(draw(), "A caption.")
    texts = _texts(figure)
    bounds, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert min(bounds.x0, bounds.y0) >= -1e-6
    assert bounds.x1 <= width + 1e-6
    assert bounds.y1 <= height + 1e-6
    assert width <= 10.3
    assert height <= 12
    assert all(text.get_fontsize() >= 7 for text in texts)

    texts = [text for text in texts if not isinstance(text, Annotation)]
    boxes = [text.get_window_extent() for text in texts]
    for index, box in enumerate(boxes):
        inner = box.padded(-1)
        hits = [texts[other].get_text() for other in range(index) if inner.overlaps(boxes[other].padded(-1))]
        assert not hits, (texts[index].get_text(), hits)


def test_values_beside_the_points_of_a_trade_off_do_not_overlap_and_name_the_ends() -> None:
    figure = _trade_off()
    figure.draw_without_rendering()
    for axes in figure.axes:
        labels = [text for text in axes.texts if isinstance(text, Annotation)]
        boxes = [Text.get_window_extent(label) for label in labels]
        assert not any(box.count_overlaps(boxes[:index]) for index, box in enumerate(boxes))
        assert {"0.1", "1", "0", "8"} <= {label.get_text() for label in labels}


def test_curves_that_begin_at_one_point_each_have_their_value_there() -> None:
    angles = {str(number): 2 * np.pi * number / 7 for number in range(7)}
    fans = {
        name: pd.DataFrame({"value": [0, 1], "recall": [0.5, 0.5 + np.cos(at)], "precision": [0.5, 0.5 + np.sin(at)]})
        for name, at in angles.items()
    }
    figure = curves.trade_off(fans, PAIRS[2:])
    figure.draw_without_rendering()
    boxes = [Text.get_window_extent(text) for text in figure.axes[0].texts]
    assert len(boxes) == 14
    assert not any(box.count_overlaps(boxes[:index]) for index, box in enumerate(boxes))


def test_curves_of_an_ablation_differ_in_colour_and_marker_and_a_shared_one_keeps_its_own() -> None:
    figure = _ablations()
    first, second = figure.axes
    styles = {line.get_label(): (line.get_color(), line.get_marker()) for line in first.lines}
    assert len({color for color, _ in styles.values()}) == len({marker for _, marker in styles.values()}) == 9
    assert all(styles[line.get_label()] == (line.get_color(), line.get_marker()) for line in second.lines)
    assert len(first.get_legend().get_texts()) == 9
    assert first.get_ylabel() == "FID (lower is better)"


def test_a_share_that_is_ideal_in_the_middle_is_not_said_to_be_better_below():
    assert {figures.axis_label(metric).split(" (")[1] for metric in ("nearer", "nearer_floor")} == {"0.5 is ideal)"}


IN_UNITS = {
    "Training time (seconds)": ("seconds", 36, 36),
    "Training time (hours)": ("seconds", 144_000, 40),
    "Training compute (GFLOP)": ("flops", 1e6, 1e-3),
    "Training compute (TFLOP)": ("flops", 1.9e15, 1900),
}


@pytest.mark.parametrize("label", IN_UNITS)
def test_training_is_in_the_unit_that_suits_it(label: str) -> None:
    name, most, last = IN_UNITS[label]
    panel = {"a": pd.DataFrame({name: [most / 2, most], "fid": [9, 8]}), "b": pd.DataFrame({name: [0], "fid": [9]})}
    (axes,) = curves.ablation_curves({"": panel}, name).axes
    assert axes.get_xlabel() == label
    assert axes.lines[0].get_xdata()[-1] == pytest.approx(last)


@pytest.mark.parametrize(("first", "scale"), [(30.0, "linear"), (3000.0, "log")])
def test_fid_is_logarithmic_where_it_spans_more_than_a_decade(first: float, scale: str) -> None:
    figure = curves.ablation_curves({"": {"a": _checkpoints(1, [first, 20.0])}}, "seconds")
    assert figure.axes[0].get_yscale() == scale
    assert len([text for text in figure.axes[0].get_yticklabels() if text.get_text()]) >= 3


@pytest.mark.parametrize(
    ("values", "low", "scale"), [((1, 6), -1, "linear"), ((1, 60), -1, "log"), ((1, 6), 0.1, "log")]
)
def test_bars_below_zero_keep_an_axis_linear_and_squeeze_no_logarithmic_one(values, low, scale) -> None:
    bars = {"fid_low": [low] * 2, "fid_high": [100.0] * 2}
    frame = _checkpoints(1, list(map(float, values))).assign(**bars)
    (axes,) = curves.ablation_curves({"": {"a": frame}}, "seconds").axes
    assert axes.get_yscale() == scale
    assert scale == "linear" or 0.5 <= axes.get_ylim()[0] < 1


def test_rows_without_a_number_are_dropped() -> None:
    frame = _checkpoints(10, [9.0, np.nan, 7.0])
    (line,) = curves.ablation_curves({"": {"a": frame}}, "seconds").axes[0].lines
    assert line.get_ydata().tolist() == [9, 7]
    swept = _sweep([0.0, 1.0, 2.0])
    swept.loc[1, "recall"] = np.nan
    panels = _along({"a": swept}).axes
    assert [len(axes.lines[0].get_xdata()) for axes in panels] == [3, 3, 2]
    assert [len(axes.lines[0].get_xdata()) for axes in curves.trade_off({"a": swept}, PAIRS).axes] == [3, 3, 2]


def test_curves_are_drawn_in_the_order_of_their_parameter() -> None:
    shuffled = _sweep([0.9, 0.95, 1.0]).iloc[[2, 0, 1]]
    assert _along({"a": shuffled}).axes[0].lines[0].get_xdata().tolist() == [0.9, 0.95, 1.0]
    assert np.all(np.diff(curves.trade_off({"a": shuffled}, PAIRS).axes[0].lines[0].get_xdata()) > 0)


def test_bounds_are_drawn_where_they_are_known() -> None:
    figure = _along({"a": _with_bounds(_sweep([0.9, 1.0]))})
    (bars,) = figure.axes[0].collections
    fid = _sweep([0.9, 1.0])["fid"]
    np.testing.assert_allclose([segment[:, 1] for segment in bars.get_segments()], [[0.9 * f, 1.1 * f] for f in fid])
    low, high = figure.axes[0].get_ylim()
    assert low < 0.9 * min(fid)
    assert high > 1.1 * max(fid)
    assert not _along({"a": _sweep([0.9, 1.0])}).axes[0].collections
    assert len(curves.trade_off({"a": _with_bounds(_sweep([0, 1]))}, PAIRS).axes[0].collections) == 2


def test_a_likelihoods_legend_holds_its_total_where_the_sum_of_its_terms_ends() -> None:
    study = _likelihood()
    figure = curves.likelihood({"early": study, "late": _likelihood(3)})
    terms, sums = figure.axes
    assert (terms.get_xscale(), terms.get_yscale(), sums.get_xscale(), sums.get_yscale()) == (*["log"] * 3, "linear")
    np.testing.assert_array_equal(terms.lines[0].get_xdata(), np.arange(1, 1001))
    np.testing.assert_array_equal(terms.lines[0].get_ydata(), study.vlb)
    reached = np.asarray(sums.lines[0].get_ydata())
    np.testing.assert_allclose(np.diff(reached, prepend=0)[:-1], study.vlb)
    assert reached[-1] - reached[-2] == pytest.approx(study.prior.mean())
    total = study.vlb.sum() + study.prior.mean()
    error = np.std([-0.1, -0.05, 0, 0.05, 0.1], ddof=1) / 5**0.5
    assert figure.legends[0].get_texts()[0].get_text() == f"early: {total:.3f} ± {error:.3f} bits/dim"


@pytest.mark.parametrize("size", [8, 64])
def test_the_png_holds_each_pixel_of_the_mosaic(size: int) -> None:
    figure = _classes(size)
    shown, pixels = _mosaic(figure), _pixels(figure)
    axes = figure.axes[0].get_position()
    height, width = shown.shape[:2]
    left, top = round(axes.x0 * pixels.shape[1]), round((1 - axes.y1) * pixels.shape[0])
    np.testing.assert_array_equal(pixels[top : top + height, left : left + width], shown)


@pytest.mark.parametrize("size", [8, 64])
def test_a_mosaic_holds_images_enlarged_by_a_whole_factor_in_order(size: int) -> None:
    images = _digits(6, size)
    shown = _mosaic(grids.random_grid(images, 2, 3))
    factor = (shown.shape[0] - grids.GAP) // (2 * size)
    assert factor >= 1
    for index, image in enumerate(images):
        y, x = ((size * factor + grids.GAP) * place for place in divmod(index, 3))
        cell = shown[y : y + size * factor, x : x + size * factor]
        np.testing.assert_array_equal(cell, np.kron(image, np.ones((factor, factor, 1), np.uint8)))


def test_images_too_large_for_a_page_are_reduced_to_their_means() -> None:
    images = np.stack([np.full((512, 512, 3), value, np.uint8) for value in (0, 80, 160, 240)])
    shown = _mosaic(grids.random_grid(images.repeat(3, axis=0), 1, 12))
    assert shown.shape[1] <= grids.EXTENT[1]
    assert set(np.unique(shown)) == {0, 80, 160, 240, 255}


def test_a_random_grid_leaves_no_empty_rows_or_columns() -> None:
    few, full = _mosaic(grids.random_grid(_digits(5), 12, 3)), _mosaic(grids.random_grid(_digits(6), 2, 3))
    assert few.shape == full.shape
    assert _mosaic(grids.random_grid(_digits(2), 4, 12)).shape[1] < full.shape[1]


def test_a_class_grid_shows_the_first_samples_of_each_class_beside_its_name() -> None:
    images, labels = _digits(40), LABELS[:40]
    figure = grids.class_grid(images, labels, [3, 0], 2, ["dress", "top"])
    assert _strings(figure) == ["3: dress", "0: top"]
    expected = np.concatenate([images[labels == number][:2] for number in (3, 0)])
    np.testing.assert_array_equal(_mosaic(figure), _mosaic(grids.random_grid(expected, 2, 2)))
    assert _strings(grids.class_grid(images, labels, [3, 0], 2)) == ["class 3", "class 0"]


def test_grids_are_labelled_with_what_they_are_given() -> None:
    assert {"sample", "3rd", "Scale 2.5"} <= set(_strings(_neighbours()))
    assert set(_strings(_scales())) - {""} == {"0", "0.5", "1", "5.5"}
    assert set(_strings(_comparison())) == {"LSUN bedroom", "LSUN horse", "GAN, truncation 1.0", "ADM", "training set"}
    assert _strings(_interpolation()) == ["real", "θ = 0", "θ = π/2", "real"]


def test_neighbours_stand_below_their_sample_and_real_images_at_the_ends() -> None:
    greys = np.arange(0, 240, 10, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, 3), np.uint8)
    figure = grids.neighbour_grid({"": (greys[:2], greys[2:8].reshape(2, 3, 8, 8, 3))})
    assert _runs(_mosaic(figure)[:, 0, 0]) == [0, 20, 30, 40]
    assert _runs(_mosaic(figure)[:, -1, 0]) == [10, 50, 60, 70]
    figure = grids.interpolation_grid(greys[:2].reshape(1, 2, 8, 8, 3), greys[2:6].reshape(1, 4, 8, 8, 3))
    assert _runs(_mosaic(figure)[0, :, 0]) == [0, 20, 30, 40, 50, 10]


def test_a_panel_that_a_band_lacks_is_white() -> None:
    black = np.zeros((2, 8, 8, 3), np.uint8)
    shown = _mosaic(grids.comparison({"a": {"x": black, "y": black}, "b": {"y": black}}, 2))
    height = (shown.shape[0] - grids.WIDE_GAP) // 2
    assert (shown[-height:, : shown.shape[1] // 2] == 255).all()
    assert (shown[-height:, -1] == 0).all()


def _runs(values: np.ndarray) -> list[int]:
    """The values other than white, each once where it is repeated."""
    changes = np.flatnonzero(np.diff(values, prepend=255))
    return [int(value) for value in values[changes] if value != 255]


def test_images_of_two_sizes_are_refused() -> None:
    images = _digits(4)
    with pytest.raises(ValueError, match="a figure takes one"):
        grids.comparison({"": {"x": images, "y": _digits(4, 16)}}, 2)


@pytest.mark.parametrize("name", ["trade_off", "classes"])
def test_files_are_the_same_bytes_each_time_and_a_pdf_embeds_its_fonts_and_keeps_the_pixels(tmp_path, name):
    for folder in ("one", "two"):
        figure = DRAWN[name]()
        figures.write_figure(tmp_path / folder / "a", figures.captioned(figure, "Words."), "Words.", {})
    for ending in ("pdf", "png", "svg"):
        assert (tmp_path / "one" / f"a.{ending}").read_bytes() == (tmp_path / "two" / f"a.{ending}").read_bytes()
    pdf = (tmp_path / "one" / "a.pdf").read_bytes()
    assert b"CreationDate" not in pdf
    assert b"/FontFile2" in pdf
    assert b"/Type3" not in pdf
    drawn = re.findall(rb"<<(?:(?!>>).)*?/Subtype /Image.*?>>", pdf, re.DOTALL)
    sizes = [tuple(int(re.search(rb"/%s (\d+)" % side, one)[1]) for side in (b"Height", b"Width")) for one in drawn]
    assert sizes == [_mosaic(axes.figure).shape[:2] for axes in figure.axes if axes.images]


@pytest.mark.parametrize("name", ["trade_off", "one_image", "random"])
def test_a_caption_stands_beneath_and_nothing_is_cut_off(name):
    figure = DRAWN[name]()
    width, height = figure.get_size_inches()
    before = {axes: axes.get_position().height for axes in figure.axes if axes.images}
    words = "Figure 99: " + "some words that say what is shown " * 8
    figures.captioned(figure, words)
    wider, taller = figure.get_size_inches()
    assert wider == max(width, 4.0)
    assert taller > height
    caption = figure.texts[-1]
    assert caption.get_text().split() == words.split()
    renderer = FigureCanvasAgg(figure).get_renderer()
    box = caption.get_window_extent(renderer).transformed(figure.dpi_scale_trans.inverted())
    assert 0 <= box.x0 < box.x1 <= wider
    assert 0 <= box.y0 < box.y1 <= taller - height
    for axes, share in before.items():
        assert axes.get_position().height * taller == pytest.approx(share * height)
        assert axes.get_position().y0 * taller >= box.y1
