"""The folder of the user's data, and the error for data that cannot be used."""

import os
from pathlib import Path

from distnlc.files import NoHomeError, at_home

DATA_VARIABLE = "DISTNLC_DATA"
ADVICE = (
    f"Point to its folder with --set data.root=/path/to/folder (`measure`: --root) or the variable {DATA_VARIABLE}."
)


class DataError(ValueError):
    """Data that is missing, broken or too small; the message says where, what was expected and found."""


def data_folder(root: str | None) -> Path | None:
    """The folder `root`, else the one that DISTNLC_DATA names, else None. Raises DataError where `~` means nothing."""
    named = root or os.environ.get(DATA_VARIABLE)
    try:
        return Path(at_home(named)) if named else None
    except NoHomeError as error:
        raise DataError(str(error)) from None


def needed_folder(name: str, root: Path | None) -> Path:
    """The folder, for a dataset that cannot do without. Raises DataError if none is named."""
    if root is None:
        raise DataError(f"{name}: its files are needed and no folder is named. {ADVICE}")
    return root


def contents(folder: Path) -> str:
    """A few of the names that a folder holds, or why these cannot be read."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError as error:
        return error.strerror or str(error)
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return f"holds {', '.join(names[:8])}{more}" if names else "empty"
