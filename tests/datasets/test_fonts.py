import subprocess
import sys

import numpy as np
import pytest

from tinynet.datasets import fonts
from tinynet.datasets.fonts import font_digits


def box(image):
    """Top, bottom, left and right of what is drawn."""
    rows, columns = image.any(axis=1).nonzero()[0], image.any(axis=0).nonzero()[0]
    return rows[0], rows[-1], columns[0], columns[-1]


@pytest.mark.parametrize("augment", [True, False])
def test_shapes_types_and_range(augment):
    images, labels = font_digits(300, augment=augment)
    assert images.shape == (300, 28, 28)
    assert images.dtype == labels.dtype == np.uint8
    assert labels.shape == (300,)
    # White on black: the corners are dark, and every digit has bright strokes.
    assert images[:, :2, :2].mean() < 30
    assert (images.reshape(300, -1).max(axis=1) > 120).all()


def test_classes_are_balanced_and_shuffled():
    _, labels = font_digits(1005)
    counts = np.bincount(labels, minlength=10)
    assert counts.tolist() == [101] * 5 + [100] * 5
    assert (labels[:-1] != np.sort(labels)[:-1]).mean() > 0.5
    assert set(np.diff(labels[:50].astype(int))) != {1, -9}


@pytest.mark.parametrize("augment", [True, False])
def test_seed_decides_every_bit(augment):
    first, again, other = (font_digits(700, seed, augment=augment) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first[0], again[0])
    np.testing.assert_array_equal(first[1], again[1])
    assert (first[0] != other[0]).any()
    assert (first[1] != other[1]).any()


def test_results_are_the_callers_own():
    images, _ = font_digits(50, augment=False)
    kept = images.copy()
    images[:] = 77
    np.testing.assert_array_equal(font_digits(50, augment=False)[0], kept)


def test_clean_digits_fill_the_box_in_the_middle():
    for image in fonts._clean_digits():
        top, bottom, left, right = box(image)
        height, width = bottom - top + 1, right - left + 1
        assert max(height, width) in (20, 21)
        assert abs((top + bottom) / 2 - 13.5) <= 0.5
        assert abs((left + right) / 2 - 13.5) <= 0.5
        assert image.max() > 200


def test_every_font_draws_ten_different_digits():
    glyphs = fonts._draw_glyphs(fonts.UPRIGHT_FONTS + fonts.SLANTED_FONTS).reshape(20, 10, -1).astype(float)
    for font in glyphs:
        distances = np.abs(font[:, None] - font[None]).mean(axis=2) + 255 * np.eye(10)
        assert distances.min() > 5
    # The same digit in two fonts looks more alike than two digits do on average.
    means = glyphs.mean(axis=0)
    nearest = np.abs(glyphs[:, :, None] - means).mean(axis=3).argmin(axis=2)
    assert (nearest == np.arange(10)).mean() > 0.9


def test_distance_is_positive_inside_and_half_a_fine_pixel_at_the_outline():
    mask = np.zeros((1, 84, 84), bool)
    mask[0, 40:45, 30] = True
    distance = fonts._distance_to(mask)[0]
    assert distance[42, 30] == 0
    assert distance[42, 33] == 3
    assert distance[47, 34] == 5  # three down and four to the right of the end
    assert distance[0, 0] == fonts.FINE * fonts.REACH
    maps = fonts._distance_maps()
    inside = fonts._draw_glyphs(fonts.UPRIGHT_FONTS + fonts.SLANTED_FONTS) > 127
    np.testing.assert_array_equal(maps > 0, inside)
    assert np.abs(maps).min() == pytest.approx(0.5 / fonts.FINE)


class Highest:
    """A generator that always draws the upper limit."""

    @staticmethod
    def uniform(low, high, size):
        return np.full(size, high)

    @staticmethod
    def standard_normal(shape, dtype):
        return np.ones(shape, dtype)


@pytest.fixture
def warped(monkeypatch):
    """A function that draws the clean digits with one thing changed, as floats."""

    def draw(**changes):
        settings = {"SCALE": 1.0, "THICKNESS": 0.0, "SOFTNESS": 1.0, "INK": 1.0, "NOISE": 0.0} | changes
        monkeypatch.setattr(fonts, "SHIFT", settings.pop("SHIFT", 0.0))
        monkeypatch.setattr(fonts, "ROTATION", settings.pop("ROTATION", 0.0))
        for name, value in settings.items():
            monkeypatch.setattr(fonts, name, (0.0, value))
        return fonts._warp(fonts._distance_maps(), np.arange(120), Highest).astype(float)

    return draw


def test_warping_that_changes_nothing_gives_the_clean_digits(warped):
    assert np.abs(warped() - fonts._clean_digits()).mean() < 3


def test_shift_and_rotation_move_the_digits(warped):
    plain = warped()
    np.testing.assert_array_equal(warped(SHIFT=2.0), np.roll(plain, 2, axis=(1, 2)))
    np.testing.assert_allclose(warped(ROTATION=np.pi / 2), np.rot90(plain, -1, axes=(1, 2)), atol=1)


def test_scale_thickness_ink_softness_and_noise(warped):
    plain = warped()
    amount = plain.sum(axis=(1, 2))
    assert (warped(SCALE=0.7).sum(axis=(1, 2)) / amount).mean() == pytest.approx(0.49, rel=0.05)
    thicker = warped(THICKNESS=0.8)
    assert (thicker >= plain).all()
    assert (thicker.sum(axis=(1, 2)) / amount > 1.2).all()
    # Strokes grow by so many pixels of the image, whatever the scale: the added ink goes with the outline's length.
    small = warped(SCALE=0.7)
    added = (warped(SCALE=0.7, THICKNESS=0.8) - small).sum() / (thicker - plain).sum()
    assert added == pytest.approx(0.7, rel=0.1)
    np.testing.assert_allclose(warped(INK=0.6), 0.6 * plain, atol=1)
    np.testing.assert_allclose(warped(NOISE=0.1), np.minimum(plain + 25.5, 255), atol=1)
    grey = (plain > 20) & (plain < 235)
    softer = warped(SOFTNESS=2.0)
    assert ((softer > 20) & (softer < 235)).sum() > 1.5 * grey.sum()


@pytest.mark.parametrize("augment", [True, False])
def test_the_label_says_which_digit_was_drawn(monkeypatch, augment):
    settings = {"SHIFT": 0.0, "ROTATION": 0.0, "SCALE": (1.0, 1.0), "NOISE": (0.0, 0.0)}
    for name, value in settings.items():
        monkeypatch.setattr(fonts, name, value)
    images, labels = font_digits(500, augment=augment)
    clean = fonts._clean_digits().reshape(120, 784).astype(float)
    flat = images.reshape(500, 784) @ clean.T / np.linalg.norm(clean, axis=1)
    # The fonts' digits are in order, so the most similar one's number tells the digit.
    assert (flat.argmax(axis=1) % 10 == labels).mean() > (0.9 if augment else 0.999)


@pytest.mark.parametrize("shift", [2, -1])
def test_bilinear_reads_between_points(shift):
    row, column = np.indices((fonts.FINE_SIZE, fonts.FINE_SIZE), dtype=np.float32)
    ramps = np.stack([row, column]) / fonts.FINE
    points = np.array([[0.1, 3.3, -7.25], [0.2, -4.0, shift]], np.float32)
    middle = (fonts.FINE_SIZE - 1) / 2 / fonts.FINE
    read = fonts._bilinear(ramps, np.array([0, 1]), np.stack([points, points]))
    np.testing.assert_allclose(read[0], points[1] + middle, rtol=1e-5)
    np.testing.assert_allclose(read[1], points[0] + middle, rtol=1e-5)


def test_augmented_digits_can_be_told_apart_but_not_trivially():
    images, labels = font_digits(2500)
    flat = images.reshape(2500, -1) / np.float32(255)
    train, test = flat[:2000], flat[2000:]
    squared = (train**2).sum(axis=1) - 2 * test @ train.T
    accuracy = (labels[:2000][squared.argmin(axis=1)] == labels[2000:]).mean()
    assert 0.75 < accuracy < 0.995


@pytest.mark.parametrize("n", [0, -3, 2.5, True, "10", None])
def test_a_bad_n_is_named(n):
    with pytest.raises(ValueError, match=r"font_digits: n has to be a whole number, at least 1\. Received: n="):
        font_digits(n)


def test_a_bad_seed_is_named():
    with pytest.raises(ValueError, match=r"seed has to be a whole number, at least 0\. Received: seed=-1"):
        font_digits(10, seed=-1)


def test_a_missing_font_is_named(monkeypatch):
    with pytest.raises(FileNotFoundError, match=r"Received: no file .*NoSuchFont\.ttf"):
        fonts._draw_glyphs(("NoSuchFont",))


def test_matplotlib_only_when_called_and_never_pyplot():
    code = """
import sys
import tinynet.datasets.fonts as fonts
assert not [name for name in sys.modules if name.startswith("matplotlib")]
fonts.font_digits(10)
assert "matplotlib" in sys.modules and "matplotlib.pyplot" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
