"""The files that match a pattern."""

import glob
import os
from collections.abc import Sequence


def matching(file_pattern: str | os.PathLike | Sequence[str | os.PathLike]) -> list[str]:
    """Return the paths of all files that match a pattern, or one of several, sorted.

    Raises
    ------
    FileNotFoundError
        If there is none.
    """
    patterns = [file_pattern] if isinstance(file_pattern, str | os.PathLike) else list(file_pattern)
    found = {path for pattern in patterns for path in glob.glob(os.fspath(pattern)) if os.path.isfile(path)}
    if not found:
        raise FileNotFoundError(f"Dataset.list_files: no file matches. Received: {', '.join(map(str, patterns))}")
    return sorted(found)
