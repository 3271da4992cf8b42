"""The checkpoints of a study folder, as the driver sees them: kept while a unit is unfinished, then deleted.

In: the study folder, the units whose rows are committed. Out: a sink that deletes the checkpoints of each unit once
its rows are in the store. What stands in them is the affair of the study kind; its workers write them.
"""

import shutil
from collections.abc import Container
from pathlib import Path

from distnlc.engine.executor import EngineError
from distnlc.progress import Progress
from distnlc.records import Records
from distnlc.spec import Unit


class CheckpointCleaner:
    """Implements `Sink`. `folder` is where units keep theirs, each in a folder named by its id."""

    def __init__(self, study_folder: Path, finished: Container[str]) -> None:
        """Deletes what a driver left behind that ended between a commit and the cleaning up. Raises EngineError."""
        self.folder = study_folder.absolute() / "checkpoints"
        if self.folder.is_symlink():  # the study may come from anybody, and names what is deleted in it
            raise EngineError(f"{self.folder}: a symbolic link. Put a folder in its place, or delete it")
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name in finished:
                _delete(path)

    def committed(self, unit: Unit, records: Records) -> None:
        _delete(self.folder / unit.unit_id)

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""


def _delete(path: Path) -> None:
    """The folder, if there is one: short units have none. Of a link, the link and not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
