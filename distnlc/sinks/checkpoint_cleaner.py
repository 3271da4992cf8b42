"""The checkpoints of a study folder: kept while a unit is unfinished, then deleted.

In: the study folder, the ids of finished units. Out: a sink that deletes the checkpoints of each unit once its rows
are in the store. The workers write them; what they hold is up to the study kind.
"""

import shutil
from collections.abc import Container
from pathlib import Path

from distnlc.engine.executor import EngineError
from distnlc.progress import Progress
from distnlc.records import Records
from distnlc.spec import Unit


class CheckpointCleaner:
    """Implements `Sink`. In `folder` each unit has a folder of checkpoints, named by its id."""

    def __init__(self, study_folder: Path, finished: Container[str]) -> None:
        """Deletes what an earlier driver left if it died between a commit and the cleaning up. Raises EngineError."""
        self.folder = study_folder.absolute() / "checkpoints"
        if self.folder.is_symlink():  # a study from somebody else must not choose what is deleted
            raise EngineError(f"{self.folder}: a symbolic link. Put a folder in its place, or delete it")
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name in finished:
                _delete(path)

    def committed(self, unit: Unit, records: Records) -> None:
        _delete(self.folder / unit.unit_id)

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""


def _delete(path: Path) -> None:
    """Deletes the folder, if there is one: short units have none. A link is deleted, not what it leads to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
