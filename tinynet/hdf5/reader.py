"""Groups, names and arrays of an HDF5 file, each looked at before it is believed.

HDF5 lets a file name other files, and let the reader run filters over them: external and virtual datasets, soft and
external links are refused, and so is every filter but shuffle and gzip, which are undone here, where no more comes out
than was declared. What the file declares is compared with what it can hold before any memory is asked for.
"""

import contextlib
import functools
import itertools
import math
import os
import zlib
from collections.abc import Callable, Iterator

import numpy as np

from tinynet.hdf5.errors import HDF5Error
from tinynet.hdf5.strings import Strings

MOST_OBJECTS = 20_000  # groups, datasets and attributes looked at in one file
MOST_CHUNKS = 10_000  # of a dataset
LONGEST_NAME = 1024
DEEPEST = 32


def _guarded(method: Callable) -> Callable:
    """Decorate what calls the HDF5 library, so that all that a damaged file makes it raise is an HDF5Error."""

    @functools.wraps(method)
    def guarded(self, *arguments):
        try:
            return method(self, *arguments)
        except HDF5Error:
            raise
        except Exception as error:  # damage shows as any of a dozen types, from KeyError to SystemError
            raise HDF5Error(f"{self.file} is damaged, or no file of that kind. "
                            f"Received: {type(error).__name__}: {error}") from error

    return guarded


class Array:
    """An array in a file, not read yet.

    Attributes
    ----------
    file, path : str
        Where it is.
    shape : tuple of int
        As the file declares it.
    """

    @_guarded
    def __init__(self, file: str, path: str, dataset):
        self.file, self.path, self._dataset = file, path, dataset
        if dataset.is_virtual or dataset.external:
            raise self.refusal("lies in another file")
        if dataset.shape is None or dataset.dtype.kind not in "fiu" or dataset.dtype.itemsize > 8:
            raise self.refusal(f"must be an array of numbers, not of {dataset.dtype}")
        self.shape: tuple[int, ...] = dataset.shape
        self.size = math.prod(self.shape) * dataset.dtype.itemsize

    @_guarded
    def read(self) -> np.ndarray:
        """Return the array. Compare `shape` with what you expect first: here it is taken as it is."""
        from h5py import h5d, h5t

        dataset = self._dataset.id
        if not dataset.get_type().equal(h5t.py_create(self._dataset.dtype)):
            raise self.refusal("has numbers of an unknown form")
        plist = dataset.get_create_plist()
        filters = [plist.get_filter(i)[0] for i in range(plist.get_nfilters())]
        if plist.get_layout() == h5d.CHUNKED:
            return self._read_chunks(plist.get_chunk(), filters)
        if filters or dataset.get_storage_size() != self.size:
            raise self.refusal(f"should hold {self.size} bytes, not {dataset.get_storage_size()}")
        return self._dataset[()]

    def _read_chunks(self, chunk: tuple[int, ...], filters: list[int]) -> np.ndarray:
        """Put the array together from its chunks, blocks of one shape, of which the last in a row may stick out."""
        from h5py import h5z

        if filters not in ([], [h5z.FILTER_SHUFFLE], [h5z.FILTER_DEFLATE], [h5z.FILTER_SHUFFLE, h5z.FILTER_DEFLATE]):
            raise self.refusal("may be shuffled and compressed with gzip, but passed through no other filters, as here")
        dtype = self._dataset.dtype
        size = math.prod(chunk) * dtype.itemsize
        places = [range(0, length, step) for length, step in zip(self.shape, chunk, strict=True)]
        count = math.prod(map(len, places))
        if size > 2 * self.size + 4096 or count > MOST_CHUNKS:
            raise self.refusal(f"has chunks of an unlikely size, {chunk} for {self.shape}")
        self._check_stored(count, 2 * size + 4096)
        array = np.empty(self.shape, dtype)
        for start in itertools.product(*places):
            skipped, data = self._dataset.id.read_direct_chunk(start)
            if skipped:
                raise self.refusal("has a chunk that skips a filter")
            if h5z.FILTER_DEFLATE in filters:
                data = zlib.decompressobj().decompress(data, size + 1)
            if len(data) != size:
                raise self.refusal(f"has a chunk that should hold {size} bytes, not {len(data)}")
            if h5z.FILTER_SHUFFLE in filters:  # all first bytes, then all second bytes, ...
                data = np.frombuffer(data, np.uint8).reshape(dtype.itemsize, -1).T.tobytes()
            part = tuple(slice(at, at + step) for at, step in zip(start, chunk, strict=True))
            inside = array[part]
            inside[...] = np.frombuffer(data, dtype).reshape(chunk)[tuple(map(slice, inside.shape))]
        return array

    def _check_stored(self, count: int, most: int) -> None:
        """Raise an error unless all chunks are stored, and none is longer than compression can make it."""
        dataset = self._dataset.id
        stored = dataset.get_num_chunks()
        if stored != count or any(dataset.get_chunk_info(i).size > most for i in range(count)):
            raise self.refusal(f"should be stored in {count} chunks of {most} bytes at most, not in {stored}")

    def refusal(self, why: str) -> HDF5Error:
        """Return the error that says why this array is not read."""
        return HDF5Error(f"An array in {self.file} {why}. Received: {self.path}")


class Group:
    """A group in a file: what it holds has names, and it has attributes."""

    def __init__(self, strings: Strings, path: str, group, budget: Iterator[int], depth: int = 0):
        self.file, self.path = strings.name, path
        self._strings, self._group, self._budget, self._depth = strings, group, budget, depth

    @_guarded
    def names(self) -> list[str]:
        """Return the names of what the group holds."""
        if len(self._group) > MOST_OBJECTS:
            raise self.refusal(f"holds {len(self._group)} objects, more than {MOST_OBJECTS}")
        names = list(itertools.islice(self._group, MOST_OBJECTS))
        if not all(isinstance(name, str) for name in names):
            raise self.refusal("should hold names that are text")
        return names

    @_guarded
    def __contains__(self, name: str) -> bool:
        self._spend()
        return name in self._group

    @_guarded
    def group(self, name: str) -> "Group":
        """Return a group by its path from here; most paths are one name."""
        import h5py

        name, *inner = name.split("/", 1)  # else the library would follow whatever link is on the way
        found = self._step(name)
        if not isinstance(found, h5py.Group):
            raise self.refusal(f"should hold a group {name!r}")
        place = Group(self._strings, f"{self.path}/{name}", found, self._budget, self._depth + 1)
        return place.group(*inner) if inner else place

    @_guarded
    def array(self, path: str) -> Array:
        """Return an array by its path from here, such as "conv/kernel:0"."""
        import h5py

        *groups, name = path.split("/")
        if len(groups) > DEEPEST:
            raise self.refusal(f"should hold no path of {len(groups)} groups")
        place = self
        for inner in groups:
            place = place.group(inner)
        found = place._step(name)
        if not isinstance(found, h5py.Dataset):
            raise self.refusal(f"should hold an array {path!r}")
        return Array(self.file, f"{self.path}/{path}", found)

    @_guarded
    def strings(self, name: str) -> list[str] | None:
        """Return an attribute that is an array of strings, or one string as a list of one; None where there is none."""
        import h5py

        self._spend()
        if not h5py.h5a.exists(self._group.id, name.encode()):
            return None
        attribute = h5py.h5a.open(self._group.id, name.encode())
        count = math.prod(attribute.shape)
        if count > MOST_OBJECTS or attribute.dtype.itemsize > LONGEST_NAME:
            raise self.refusal(f"has an attribute {name!r} that is too large: {count} of {attribute.dtype}")
        if not count:
            return []
        if attribute.dtype.kind == "O":
            return self._strings.read(h5py.h5o.get_info(self._group.id).addr, name, count, LONGEST_NAME)
        if attribute.dtype.kind != "S":
            raise self.refusal(f"should have strings as its attribute {name!r}, not {attribute.dtype}")
        return [text.decode() for text in np.ravel(self._group.attrs[name])]

    def _step(self, name: str):
        """Return what one name leads to, by a plain link inside the file."""
        import h5py

        self._spend()
        if self._depth > DEEPEST or name in ("", "."):
            raise self.refusal(f"leads round in circles with {name!r}")
        link = self._group.get(name, getlink=True)
        if link is None:
            raise self.refusal(f"should hold {name!r}")
        if not isinstance(link, h5py.HardLink):
            raise self.refusal(f"has a soft or external link {name!r}, which is not followed")
        return self._group[name]

    def _spend(self) -> None:
        if next(self._budget, None) is None:
            raise self.refusal(f"is one of more than {MOST_OBJECTS} objects")

    def refusal(self, why: str) -> HDF5Error:
        """Return the error that says why this group is not read."""
        return HDF5Error(f"A group in {self.file} {why}. Received: {self.path or '/'}")


@contextlib.contextmanager
def open_hdf5(path: str | os.PathLike) -> Iterator[Group]:
    """Open a file and yield its root group.

    Raises
    ------
    HDF5Error
        If it is no HDF5 file, then or while it is read.
    FileNotFoundError
        If there is no such file.
    ImportError
        Without h5py.
    """
    try:
        import h5py
    except ImportError as error:
        raise ImportError("HDF5 files need h5py: pip install 'tinynet[keras-weights]'. "
                          f"Received: {os.fspath(path)}") from error
    file = os.path.expanduser(os.fspath(path))
    if not os.path.isfile(file):
        raise FileNotFoundError(f"A file of weights must exist. Received: {file}")
    with contextlib.ExitStack() as stack:
        try:
            opened = stack.enter_context(h5py.File(file, "r"))
            plain = opened.id.get_create_plist().get_sizes() == (8, 8) and not opened.userblock_size
        except Exception as error:  # see _guarded
            raise HDF5Error(f"{file} is damaged, or no HDF5 file. Received: {error}") from error
        if not plain:
            raise HDF5Error(f"{file} must have addresses of 8 bytes that begin with the file, as Keras' files have. "
                            "Received: other ones")
        yield Group(Strings(stack.enter_context(open(file, "rb")), file), "", opened, iter(range(MOST_OBJECTS)))
