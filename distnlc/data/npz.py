"""A dataset of one's own in one file.

In: the path `data.file` of a .npz file with the arrays `inputs` and `labels`, and perhaps `test_inputs` and
`test_labels`. Out: the arrays, not yet checked (points.py). Pickled objects are never read.
"""

import zipfile
import zlib
from pathlib import Path

import numpy as np

from distnlc.data.folders import DataError
from distnlc.data.spec import DataSpec

NEEDED = ("inputs", "labels")
TEST = ("test_inputs", "test_labels")
MOST_BYTES = 2**33
"""of the arrays when unpacked"""
ADVICE = "expected a .npz file, as np.savez('my.npz', inputs=inputs, labels=labels) writes it"


def files(root: Path | None, *, spec: DataSpec) -> list[Path]:
    """The spec's file. Raises DataError if it is not there."""
    path = Path(spec.file or "").expanduser()
    if not path.is_file():
        raise DataError(f"{path}: no such file (data.file; a relative path begins at {Path.cwd()}); {ADVICE}")
    return [path]


def read(root: Path | None, *, spec: DataSpec, seed: int) -> tuple[np.ndarray, ...]:
    """Two or four arrays. Raises DataError."""
    (path,) = files(root, spec=spec)
    try:
        with path.open("rb") as file:
            arrays = np.load(file, allow_pickle=False)
            if isinstance(arrays, np.ndarray):
                raise DataError(f"{path}: a single array; {ADVICE}")
            size = sum(member.file_size for member in arrays.zip.infolist())
            if size > MOST_BYTES:
                raise DataError(f"{path}: expected at most {MOST_BYTES:,} bytes when unpacked, found {size:,}")
            wanted = NEEDED + TEST if any(name in arrays for name in TEST) else NEEDED
            if missing := [name for name in wanted if name not in arrays]:
                held = ", ".join(arrays.files) or "nothing"
                raise DataError(
                    f"{path}: expected arrays {', '.join(wanted)}, but {missing[0]} is missing; it holds {held}"
                )
            return tuple(arrays[name] for name in wanted)
    except DataError:
        raise
    except (OSError, EOFError, ValueError, MemoryError, zipfile.BadZipFile, zlib.error) as error:
        raise DataError(f"{path}: does not hold arrays of plain numbers ({error}); {ADVICE}") from None
