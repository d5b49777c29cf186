"""What a file may try: each of these is refused before it costs memory, leads elsewhere or runs anything."""

import itertools
import tracemalloc

import numpy as np
import pytest

from tinynet.hdf5 import HDF5Error, open_hdf5, reader

h5py = pytest.importorskip("h5py")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.h5"


def refuses(path, read, message):
    with pytest.raises(HDF5Error, match=message), open_hdf5(path) as root:
        read(root)


def read_array(root):
    return root.array("a").read()


def test_what_is_there(path):
    with h5py.File(path, "w") as file:
        file["group/array"] = np.arange(6.0).reshape(2, 3)
        file.attrs["names"] = [b"one", b"two"]
        file.attrs["text"] = "größer"
        file.attrs["texts"] = ["one", "", "three"]
        file.attrs["empty"] = np.zeros(0)
    with open_hdf5(str(path)) as root:
        assert root.names() == ["group"]
        assert "group" in root
        assert "other" not in root
        array = root.array("group/array")
        assert array.shape == (2, 3)
        assert array.read().tolist() == [[0, 1, 2], [3, 4, 5]]
        assert root.strings("names") == ["one", "two"]
        assert root.strings("text") == ["größer"]
        assert root.strings("texts") == ["one", "", "three"]
        assert root.strings("empty") == []
        assert root.strings("none") is None


@pytest.mark.parametrize("options", [
    {}, {"chunks": (2, 3)}, {"chunks": (7, 5)}, {"chunks": (3, 2), "compression": "gzip"},
    {"chunks": (2, 2), "compression": 1, "shuffle": True}, {"chunks": (4, 4), "shuffle": True, "maxshape": (None, 9)},
])
@pytest.mark.parametrize("dtype", ["<f4", ">f8", "<i2", "u1"])
def test_layouts(path, options, dtype):
    expected = np.arange(35).reshape(7, 5).astype(dtype)
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=expected, **options)
    with open_hdf5(path) as root:
        found = read_array(root)
    assert found.dtype == dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("data", [
    np.array([b"text"]), np.array([True]), np.array([1j]), np.zeros(2, [("x", "f4")]), ["text"],
    h5py.Empty("f4"), np.zeros(3, np.longdouble),
])
def test_anything_but_numbers(path, data):
    with h5py.File(path, "w") as file:
        file["a"] = data
    refuses(path, read_array, "must be an array of numbers, .* Received: /a")


def test_an_array_in_another_file(path, tmp_path):
    (tmp_path / "secret").write_bytes(bytes(8))
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2,), "f4", external=[(str(tmp_path / "secret"), 0, 8)])
    refuses(path, read_array, "lies in another file. Received: /a")


def test_an_array_put_together_from_other_files(path, tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["b"] = np.ones(2)
    layout = h5py.VirtualLayout((2,), "f8")
    layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "b", (2,))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("a", layout)
    refuses(path, read_array, "lies in another file. Received: /a")


@pytest.mark.parametrize("link", [h5py.SoftLink("/b"), h5py.ExternalLink("other.h5", "/b")])
def test_links(path, tmp_path, link):
    for place in (path, tmp_path / "other.h5"):
        with h5py.File(place, "w") as file:
            file["b"] = np.ones(2)
            file["a"] = link
            file["group/a"] = link
    refuses(path, read_array, "a soft or external link 'a', which is not followed. Received: /")
    refuses(path, lambda root: root.group("a"), "a soft or external link 'a'")
    refuses(path, lambda root: root.array("group/a"), "link 'a', which is not followed. Received: /group")


def test_links_on_the_way(path, tmp_path):
    for place in (path, tmp_path / "other.h5"):
        with h5py.File(place, "w") as file:
            file["b/c/a"] = np.ones(2)
            file["soft"] = h5py.SoftLink("/b")
            file["external"] = h5py.ExternalLink("other.h5", "/b")
    for name in ("soft", "external"):
        refuses(path, lambda root, name=name: root.group(f"{name}/c"), f"a soft or external link '{name}'")
    refuses(path, lambda root: root.group("/b"), "leads round in circles")
    with open_hdf5(path) as root:
        assert root.group("b/c").names() == ["a"]


def test_groups_in_circles(path):
    with h5py.File(path, "w") as file:
        file["a/again"] = file

    def walk(root):
        for name in itertools.cycle(["a", "again"]):
            root = root.group(name)

    refuses(path, walk, "leads round in circles")
    refuses(path, lambda root: root.group("."), "leads round in circles")
    refuses(path, lambda root: root.array("a/" * 50 + "x"), "no path of 50 groups")


def test_a_group_for_an_array_and_the_other_way_round(path):
    with h5py.File(path, "w") as file:
        file.create_group("group")
        file["a"] = np.ones(2)
    refuses(path, lambda root: root.group("a"), "should hold a group 'a'. Received: /")
    refuses(path, lambda root: root.array("group"), "should hold an array 'group'")
    refuses(path, lambda root: root.array("nowhere"), "should hold 'nowhere'. Received: /")


def test_too_many_objects(path, monkeypatch):
    with h5py.File(path, "w") as file:
        for k in range(20):
            file.create_group(str(k))
    monkeypatch.setattr(reader, "MOST_OBJECTS", 10)
    refuses(path, lambda root: root.names(), "holds 20 objects, more than 10")
    refuses(path, lambda root: [root.group(str(k)) for k in range(20)], "one of more than 10 objects")


@pytest.mark.parametrize("value", [np.zeros(30_000, "S1"), np.array([b"x" * 2000]), np.ones(3), 3, ["x" * 2000],
                                   h5py.Empty("f4")])
def test_attributes_that_are_no_names(path, value):
    with h5py.File(path, "w", libver="latest") as file:
        file.attrs["names"] = value
    refuses(path, lambda root: root.strings("names"), "Received")


def test_other_filters(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", data=np.ones(100), compression="lzf")
        file.create_dataset("b", data=np.ones(100), fletcher32=True)
    refuses(path, read_array, "through no other filters, as here. Received: /a")
    refuses(path, lambda root: root.array("b").read(), "through no other filters")


def test_a_little_that_unpacks_to_much(path):
    """A chunk of zeros, packed a thousand times smaller, is put where a small one belongs."""
    import zlib

    with h5py.File(path, "w") as file:
        array = file.create_dataset("a", (64, 64), "f4", chunks=(64, 64), compression="gzip")
        array.id.write_direct_chunk((0, 0), zlib.compress(bytes(20 << 20), 9))
    tracemalloc.start()
    try:
        refuses(path, read_array, r"should hold 16384 bytes, not 16385")
        assert tracemalloc.get_traced_memory()[1] < 2 << 20
    finally:
        tracemalloc.stop()


def test_chunks(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (2, 2), "f4", chunks=(4096, 4096), maxshape=(None, None))
        file.create_dataset("many", (200, 200), "f4", chunks=(1, 1))
        file.create_dataset("unwritten", (20, 20), "f4", chunks=(10, 10))
        file.create_dataset("short", (64, 64), "f4", chunks=(64, 64), compression="gzip")
        file["short"].id.write_direct_chunk((0, 0), b"no zlib")
        file.create_dataset("raw", (64, 64), "f4", chunks=(64, 64), compression="gzip")
        file["raw"].id.write_direct_chunk((0, 0), bytes(64 * 64 * 4), filter_mask=1)
        file.create_dataset("long", (4, 4), "f4", chunks=(4, 4), compression="gzip")
        file["long"].id.write_direct_chunk((0, 0), bytes(5000))
    refuses(path, read_array, "chunks of an unlikely size")
    refuses(path, lambda root: root.array("many").read(), "chunks of an unlikely size")
    refuses(path, lambda root: root.array("unwritten").read(), "should be stored in 4 chunks .* not in 0")
    refuses(path, lambda root: root.array("short").read(), "damaged")
    refuses(path, lambda root: root.array("raw").read(), "skips a filter")
    refuses(path, lambda root: root.array("long").read(), "should be stored in 1 chunks")


def test_an_array_that_was_never_written(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("a", (1000, 1000), "f4")
    refuses(path, read_array, "should hold 4000000 bytes, not 0")


def test_files_that_are_none(path):
    refuses_file = pytest.raises(HDF5Error, match="damaged, or no HDF5 file. Received")
    for content in (b"", b"\x89HDF\r\n\x1a\n", b"GIF89a" * 100):
        path.write_bytes(content)
        with refuses_file, open_hdf5(path):
            pass
    with pytest.raises(FileNotFoundError, match="must exist. Received"), open_hdf5(path.parent):
        pass


def test_a_file_behind_something_else(path):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["a"] = np.ones(2)
    refuses(path, read_array, "addresses of 8 bytes that begin with the file")
