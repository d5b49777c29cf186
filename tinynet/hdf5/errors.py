"""The one error of this folder."""


class HDF5Error(ValueError):
    """A file that is no HDF5 file, is damaged, or holds what is not read here."""
