"""Files that are whole or not there (written aside, made durable, renamed), and the folder of what can be remade."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

CACHE_VARIABLE = "DISTNLC_CACHE"


def cache_folder() -> Path:
    """The folder of prepared data and compiled programs; the environment variable DISTNLC_CACHE names another."""
    named = os.environ.get(CACHE_VARIABLE)
    if named:
        return Path(named).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")).absolute() / "distnlc"


def write_whole(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Writes a file so that no process ever sees half of it; of several writers the last wins. Raises OSError.

    Its folder is made if it is not there. What is not yet whole has a name that begins with a dot.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        with aside.open("xb") as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)
