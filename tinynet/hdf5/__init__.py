"""HDF5 files from strangers: groups, names and arrays of numbers, and nothing else, with every size bounded."""

from tinynet.hdf5.errors import HDF5Error
from tinynet.hdf5.reader import Array, Group, open_hdf5

__all__ = ["Array", "Group", "HDF5Error", "open_hdf5"]
