import io
import warnings

import numpy as np
import pytest
from PIL import Image

from tinynet.data import Dataset, decode_image, images, resize_and_crop


def encoded(pixels, kind="PNG", **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


@pytest.fixture
def photo(rng):
    return rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)


# ---------------------------------------------------------------- decode_image


def test_bytes_and_paths(tmp_path, photo):
    (tmp_path / "photo").write_bytes(encoded(photo))  # the name says nothing
    contents = encoded(photo)
    for source in (contents, bytearray(contents), memoryview(contents), tmp_path / "photo", str(tmp_path / "photo")):
        decoded = decode_image(source)
        assert decoded.dtype == np.uint8
        np.testing.assert_array_equal(decoded, photo)
        decoded[:] = 0  # the caller's own


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_kinds_of_files(kind):
    flat = np.full((16, 24, 3), 100, np.uint8)
    decoded = decode_image(encoded(flat, kind))
    assert decoded.shape == (16, 24, 3)
    assert np.abs(decoded.astype(int) - 100).max() <= 3


@pytest.mark.parametrize("source_channels", [1, 3, 4])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels(source_channels, channels):
    pixels = np.full((2, 3, source_channels), 70, np.uint8)
    pixels[..., 3:] = 255
    contents = encoded(pixels[..., 0] if source_channels == 1 else pixels)
    decoded = decode_image(contents, channels)
    assert decoded.shape == (2, 3, channels)
    assert (decoded[..., :3] == 70).all()
    assert (decoded[..., 3:] == 255).all()


def test_a_cmyk_photo_and_one_with_a_palette():
    for mode in ("CMYK", "P"):
        file = io.BytesIO()
        Image.new(mode, (4, 4)).save(file, "JPEG" if mode == "CMYK" else "PNG")
        assert decode_image(file.getvalue()).shape == (4, 4, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_grey_of_16_bits_keeps_its_upper_8(channels):
    grey = np.arange(0, 1 << 16, 100, dtype=np.uint16).reshape(8, -1)
    decoded = decode_image(encoded(grey), channels=channels)
    for channel in range(min(channels, 3)):
        np.testing.assert_array_equal(decoded[..., channel], grey >> 8)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_palette_whose_colours_are_more_or_less_transparent(channels):
    file, photo = io.BytesIO(), Image.new("P", (4, 3), 7)
    photo.putpalette([70] * 768)
    photo.save(file, "PNG", transparency=bytes([5] * 256))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        decoded = decode_image(file.getvalue(), channels=channels)
    assert decoded.shape == (3, 4, channels)
    assert (decoded[..., :3] == 70).all() and (decoded[..., 3:] == 5).all()


def test_the_cameras_note_that_it_was_held_sideways_is_not_followed():
    exif = Image.Exif()
    exif[0x0112] = 6
    contents = encoded(np.zeros((4, 9, 3), np.uint8), "JPEG", exif=exif)
    assert decode_image(contents).shape == (4, 9, 3)


def test_the_first_picture_of_an_animation():
    pictures = [Image.new("L", (3, 2), colour) for colour in (10, 200)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:])
    assert (decode_image(file.getvalue()) == 10).all()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: b"", "0 bytes of something else"),
        (lambda c: b"no photo at all", "15 bytes of something else"),
        (lambda c: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "something else"),  # would run a program
        (lambda c: c[: len(c) // 2], "damaged or cut short"),
        (lambda c: c[:60], "bytes"),
    ],
)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_no_photo_is_an_error_that_names_the_file(tmp_path, rng, damage, message, kind):
    path = tmp_path / "rose.jpg"
    path.write_bytes(damage(encoded(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8), kind)))
    with pytest.raises(ValueError, match=rf"rose.jpg is no photo that can be read \(JPEG, .*Received: .*{message}"):
        decode_image(path)
    with pytest.raises(ValueError, match="contents is no photo"):
        decode_image(path.read_bytes())


def test_mutated_photos_raise_nothing_else(rng):
    originals = [encoded(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8), kind) for kind in ("JPEG", "PNG", "GIF")]
    for k in range(600):
        contents = bytearray(originals[k % 3])
        for place in rng.integers(len(contents), size=3):
            contents[place] = rng.integers(256)
        try:
            assert decode_image(contents).dtype == np.uint8
        except ValueError as error:
            assert "Received: " in str(error)  # noqa: PT017


def promising(side):
    """A PNG of a few bytes that promises side x side pixels."""
    contents = bytearray(encoded(np.zeros((1, 1), np.uint8)))
    contents[16:24] = np.array([side, side], ">u4").tobytes()
    from zlib import crc32

    contents[29:33] = np.array(crc32(contents[12:29]), ">u4").tobytes()
    return bytes(contents)


@pytest.mark.parametrize("side", [8300, 10_000, 60_000])  # Pillow takes the first, warns of the second, stops the third
@pytest.mark.parametrize("action", ["error", "ignore"])
def test_more_pixels_than_a_photo_has(side, action):
    with warnings.catch_warnings():
        warnings.simplefilter(action)
        with pytest.raises(ValueError, match=f"more than {images.MAX_PIXELS} pixels, promised by [0-9]+ bytes"):
            decode_image(promising(side))


def test_more_bytes_than_a_photo_has(monkeypatch, tmp_path, photo):
    monkeypatch.setattr(images, "MAX_BYTES", 20)
    (tmp_path / "photo").write_bytes(encoded(photo))
    with pytest.raises(ValueError, match="photo is no photo.*Received: more than 20 bytes"):
        decode_image(tmp_path / "photo")


def test_bad_arguments(tmp_path, photo):
    with pytest.raises(FileNotFoundError):
        decode_image(tmp_path / "nowhere.jpg")
    with pytest.raises(TypeError, match="bytes or a path. Received: ndarray"):
        decode_image(photo)
    for channels in (0, 2, None, "RGB"):
        with pytest.raises(ValueError, match="channels must be 1, 3 or 4. Received: "):
            decode_image(encoded(photo), channels=channels)


# ---------------------------------------------------------------- resize_and_crop


def test_a_photo_of_that_size_is_copied(photo):
    same = resize_and_crop(photo, (5, 7))
    np.testing.assert_array_equal(same, photo)
    assert not np.shares_memory(same, photo)


@pytest.mark.parametrize(("shape", "size"), [((40, 60), (10, 10)), ((60, 40), (12, 7)), ((3, 5), (11, 30)),
                                             ((1, 50), (4, 4)), ((50, 1), (9, 2))])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_shapes(shape, size, channels):
    out = resize_and_crop(np.full((*shape, channels), 9, np.uint8), size)
    assert out.shape == (*size, channels)
    assert out.dtype == np.uint8
    assert (out == 9).all()


def test_any_size_from_any_other():
    for h in range(240, 260):  # in some, what stands over is a hair less than nothing
        for size in ((132, 181), (192, 192), (31, 54), (209, 208)):
            assert resize_and_crop(np.zeros((h, 244, 1), np.uint8), size).shape == (*size, 1)


def test_what_stands_over_is_cut_off_evenly():
    image = np.zeros((4, 12, 1), np.uint8)
    image[:, 4:8] = 200
    assert (resize_and_crop(image, (4, 4)) == 200).all()
    np.testing.assert_array_equal(resize_and_crop(image.swapaxes(0, 1), (4, 4)), np.full((4, 4, 1), 200))
    wide = resize_and_crop(image, (4, 8))[0, :, 0]
    np.testing.assert_array_equal(wide, [0, 0, 200, 200, 200, 200, 0, 0])


def test_shrinking_takes_means():
    chess = np.indices((64, 64)).sum(axis=0) % 2 * 200
    out = resize_and_crop(np.uint8(chess)[..., None], (8, 8))
    assert np.abs(out.astype(int) - 100).max() <= 2  # without means it would be 0 or 200


def test_halving_a_ramp():
    ramp = np.arange(0, 160, 10, dtype=np.uint8).reshape(1, 16, 1).repeat(16, axis=0)
    out = resize_and_crop(ramp, (8, 8))[4, :, 0]
    np.testing.assert_array_equal(out[1:-1], np.arange(8)[1:-1] * 20 + 5)  # a triangle's mean over a line


@pytest.mark.parametrize(
    ("image", "size", "message"),
    [
        (np.zeros((4, 4), np.uint8), (2, 2), r"image must be uint8.*Received: uint8 of shape \(4, 4\)"),
        (np.zeros((4, 4, 3)), (2, 2), "Received: float64"),
        (np.zeros((4, 4, 2), np.uint8), (2, 2), r"Received: uint8 of shape \(4, 4, 2\)"),
        (np.zeros((0, 4, 3), np.uint8), (2, 2), r"Received: uint8 of shape \(0, 4, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), 2, r"size must be \(height, width\).*Received: 2"),
        (np.zeros((4, 4, 3), np.uint8), (2, 0), r"Received: \(2, 0\)"),
        (np.zeros((4, 4, 3), np.uint8), (2.0, 2), r"Received: \(2.0, 2\)"),
        (np.zeros((4, 4, 3), np.uint8), (2, 2, 3), r"Received: \(2, 2, 3\)"),
        (np.zeros((4, 4, 3), np.uint8), (1 << 20, 1 << 20), "Received: "),
    ],
)
def test_what_cannot_be_resized(image, size, message):
    with pytest.raises(ValueError, match=f"resize_and_crop: .*{message}"):
        resize_and_crop(image, size)


# ---------------------------------------------------------------- a pipeline of files


def test_a_pipeline_of_files(tmp_path, rng):
    for k in range(6):
        pixels = np.full(rng.integers(6, 20, 2).tolist() + [3], 40 * k, np.uint8)
        (tmp_path / f"{k}.png").write_bytes(encoded(pixels))

    def load(path):
        return resize_and_crop(decode_image(path), (6, 6)), int(path[-5])

    dataset = Dataset.list_files(tmp_path / "*.png", shuffle=False).map(load, num_parallel_calls=2)
    photos, labels = next(iter(dataset.batch(6)))
    np.testing.assert_array_equal(labels, np.arange(6))
    np.testing.assert_array_equal(photos, np.arange(6, dtype=np.uint8)[:, None, None, None] * 40 + np.zeros((6, 6, 3)))
