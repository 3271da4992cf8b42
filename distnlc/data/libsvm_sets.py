"""Sets in LibSVM's format for a study of many (scaling study, additions, part b): all found or none, parsed once.

In: the data folder and names of sets. Out: a record of each for the study, and `SparseSet`s: the points of the training
files, kept in the cache as rows of what is not zero, so that a set of 62,061 features (news20) takes no more than its
file, and no worker parses or needs scikit-learn. Rows become inputs when they are asked for, each normalized to mean 0
and variance 1 over all its features, zeros included.
"""

import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from distnlc.data.catalog import LIBSVM, built_in
from distnlc.data.digests import digests
from distnlc.data.folders import ADVICE, DataError, contents, data_folder, needed_folder
from distnlc.data.libsvm import find, looked_for, parsed
from distnlc.data.sparse import SparseSet
from distnlc.files import CACHE_VARIABLE, cache_folder, write_whole
from distnlc.spec import short_id

FORMAT_VERSION = 1
"""to be raised whenever the same files would give other points"""
ARRAYS = ("starts", "columns", "values", "labels")


def record(root: str | None, names: Sequence[str]) -> dict[str, Any]:
    """A record of sets, in plain data: digests of all their files, and of each set points, features and classes.

    Sets that the cache does not have are parsed. Raises DataError: for names that no set has and sets that are not
    there, all of them in one message, for broken files, and where the cache cannot be written.
    """
    found = _found(root, names)
    kept = {name: digests(paths) for name, paths in found.items()}
    facts = {
        name: dict(zip(("points", "d_in", "classes"), _facts(_cached(found[name], kept[name])), strict=True))
        for name in names
    }
    return {
        "name": "libsvm",
        "files": {file: key for each in kept.values() for file, key in each.items()},
        "sets": facts,
    }


def load(root: str | None, name: str) -> SparseSet:
    """A set, parsed first if the cache does not have it. Raises DataError."""
    (paths,) = _found(root, [name]).values()
    path = _cached(paths, digests(paths))
    d_in, classes = _facts(path)[1:]
    return SparseSet(d_in, classes, **_arrays(path, ARRAYS))


def _found(root: str | None, names: Sequence[str]) -> dict[str, list[Path]]:
    """The files of every set."""
    if odd := [name for name in names if built_in(LIBSVM + name) is None]:
        raise DataError(
            f"libsvm.sets: expected names of sets, such as letter or letter.scale.tr, found {', '.join(odd)} "
            "(no folders; test files, .t, are never read)"
        )
    folder = needed_folder("libsvm.sets", data_folder(root)) / "libsvm"
    found = {name: find(folder, name) for name in names}
    if missing := [name for name in names if not found[name]]:
        there = [name for name in names if found[name]]
        go_on = f"\nTo go on with those that are there: --set libsvm.sets=[{','.join(there)}]" if there else ""
        raise DataError(
            f"sets not found: {', '.join(missing)}. Looked for {looked_for(missing[0])} (plain, .bz2 or .gz)"
            f"{' and likewise for the others' if len(missing) > 1 else ''} in\n"
            f"  {folder}: {contents(folder)}\n{ADVICE}{go_on}"
        )
    return found


def _cached(paths: Sequence[Path], kept: dict[str, str]) -> Path:
    """The file of the parsed set, written if it is not there."""
    key = short_id([FORMAT_VERSION, [f"{file}:{digest}" for file, digest in kept.items()]])
    path = cache_folder() / f"libsvm-sparse-{paths[0].name}-{key}.npz"
    if path.exists():
        return path
    found = parsed(paths)
    if digests(paths) != kept:
        raise DataError(f"{paths[0]}: the file changed while it was read; once it rests, run again")
    arrays = {name: getattr(found, name) for name in ARRAYS}
    arrays["facts"] = np.array([len(found), found.d_in, found.classes])
    try:
        write_whole(path, lambda file: np.savez(file, **arrays))
    except OSError as error:
        raise DataError(
            f"{path.parent}: the parsed set cannot be written here ({error.strerror or error}); "
            f"name a folder that can be written with the environment variable {CACHE_VARIABLE}"
        ) from None
    return path


@lru_cache(maxsize=256)
def _facts(path: Path) -> tuple[int, int, int]:
    """Points, features and classes; cached, since a study asks before each of its units."""
    points, d_in, classes = _arrays(path, ["facts"])["facts"].tolist()
    return points, d_in, classes


def _arrays(path: Path, names: Sequence[str]) -> dict[str, Any]:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: this parsed set cannot be read ({error}); delete it to parse anew") from None
