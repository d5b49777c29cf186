"""Strings of any length: addresses into the file, which may lead anywhere."""

import struct

import numpy as np
import pytest

from tinynet.hdf5 import HDF5Error, open_hdf5

h5py = pytest.importorskip("h5py")


@pytest.fixture(params=["earliest", "latest"])
def path(tmp_path, request):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w", libver=request.param) as file:
        group = file.create_group("group")
        group.attrs["other"] = 3
        group.attrs["names"] = ["first", "", "the third"]
    return path


def names(path):
    with open_hdf5(path) as root:
        return root.group("group").strings("names")


def test_they_are_read(path):
    assert names(path) == ["first", "", "the third"]


def test_headers_in_several_blocks(tmp_path):
    for libver in ("earliest", "latest"):
        with h5py.File(tmp_path / "x.h5", "w", libver=libver) as file:
            group = file.create_group("group")
            for k in range(7):
                group.attrs[f"attribute {k}"] = np.arange(10 * k)
            group.attrs["names"] = [f"layer {k}" for k in range(1000)]
        assert names(tmp_path / "x.h5") == [f"layer {k}" for k in range(1000)]


def change(path, at, to):
    """Write bytes into the file."""
    data = path.read_bytes()
    path.write_bytes(data[:at] + to + data[at + len(to) :])


@pytest.mark.parametrize(("length", "away", "number"), [
    (500, 0, None), (5, 0, 77), (5, 0, 0), (5, 8, None), (5, (1 << 63), None), (5, 1 << 40, None), (2**32 - 1, 0, None),
])
def test_references_that_lead_elsewhere(tmp_path, length, away, number):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_group("group").attrs["names"] = ["first", "second"]
    data = path.read_bytes()
    heap = data.index(b"GCOL")
    reference = data.index(struct.pack("<IQ", 5, heap))
    number = data[reference + 12] if number is None else number
    change(path, reference, struct.pack("<IQI", length, heap + away, number))
    with pytest.raises(HDF5Error, match="is damaged. Received"):
        names(path)


@pytest.mark.parametrize("size", [0, 1 << 62, (1 << 64) - 1, 4])
def test_heaps_whose_objects_overlap_or_never_end(tmp_path, size):
    """The library itself would read some of these for ever."""
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        file.create_group("group").attrs["names"] = ["first", "second"]
    change(path, path.read_bytes().index(b"first") - 8, struct.pack("<Q", size))
    with pytest.raises(HDF5Error, match="is damaged. Received"):
        names(path)


def test_lists_of_numbers_are_no_names(tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as file:
        group = file.create_group("group")
        group.attrs.create("names", np.array([np.arange(3), np.arange(2)], object), dtype=h5py.vlen_dtype("i4"))
    with pytest.raises(HDF5Error, match="an attribute b'names' that is no text"):
        names(tmp_path / "x.h5")
