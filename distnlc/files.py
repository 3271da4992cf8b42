"""Files that are whole or not there (written aside, made durable, renamed); what `~` means; the cache folder."""

import logging
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

CACHE_VARIABLE = "DISTNLC_CACHE"

log = logging.getLogger(__name__)


NOWHERE = "/nonexistent"
"""home folder of a process that has none, as of users that have none: libraries want to know one, and need none"""


class NoHomeError(ValueError):
    """A path that begins with `~` where no home folder is known."""


def settle_home() -> None:
    """Gives this process and its children a name of a home folder where none is known, such as in a container."""
    if os.path.expanduser("~").startswith("~"):
        os.environ["HOME"] = NOWHERE


def at_home(word: str) -> str:
    """The word with the home folder in place of `~`, also behind `=`, where a shell leaves it: `--out=~/x`.

    `~NAME/` is that user's. A `~` alone behind `=` stays: in `--set` it is YAML's null. Raises NoHomeError.
    """
    found = re.match(r"((?:[\w.-]+=)*)(~[\w.-]*(?=/)|(?<!=)~$)", word)
    if found is None:
        return word
    home = os.path.expanduser(found[2])
    if home.startswith(("~", NOWHERE)):
        raise NoHomeError(f"{word}: no home folder is known for {found[2]}; write the path out")
    return f"{found[1]}{home}{word[found.end() :]}"


def cache_folder() -> Path:
    """The folder of prepared data and compiled programs; the environment variable DISTNLC_CACHE names another.

    Where there is no home folder, or one that cannot be written, it is a temporary one, which is said once.
    """
    if named := os.environ.get(CACHE_VARIABLE):
        return Path(at_home(named)).absolute()
    caches = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = Path(caches).absolute() / "distnlc"
    if not caches.startswith(("~", NOWHERE)) and _can_be_written(folder):
        return folder
    try:
        return _temporary_cache(caches)
    except OSError:  # nothing can be written here; who writes there will hear it
        return folder


def _can_be_written(folder: Path) -> bool:
    """Whether files can be put there; the folder is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK | os.X_OK)


@lru_cache(maxsize=1)
def _temporary_cache(caches: str) -> Path:
    """A folder that this user's processes on this machine share, and nobody else can write: programs lie in it."""
    folder = Path(tempfile.gettempdir(), f"distnlc-cache-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode) or found.st_mode & 0o022:
            folder = Path(tempfile.mkdtemp(prefix="distnlc-cache-"))
    except OSError:  # something else has that name
        folder = Path(tempfile.mkdtemp(prefix="distnlc-cache-"))
    os.environ.setdefault("MPLCONFIGDIR", str(folder / "matplotlib"))  # which would complain, too
    log.warning("prepared data go to %s: %s cannot be written; %s names another folder", folder, caches, CACHE_VARIABLE)
    return folder


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
