"""Digests of the files that a dataset is read from, by which prepared data and a study's record of them are known."""

import hashlib
import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from distnlc.data.folders import DataError


def digests(paths: Sequence[Path]) -> dict[str, str]:
    """File name, from the folder that all of the files are in -> SHA-256 of its content. Raises DataError."""
    paths = [path.absolute() for path in paths]
    folder = os.path.commonpath([path.parent for path in paths]) if paths else ""
    try:
        found = [(path, path.stat()) for path in paths]
        return {
            path.relative_to(folder).as_posix(): _digest(path, stat.st_size, stat.st_mtime_ns) for path, stat in found
        }
    except OSError as error:
        raise DataError(f"{error.filename}: cannot be read: {error.strerror or error}") from None


@lru_cache(maxsize=256)
def _digest(path: Path, size: int, changed_ns: int) -> str:
    """Cached, since a process loads the same datasets for many units; a file that changed is another one."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
