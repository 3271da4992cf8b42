"""The checkpoints of a study folder, as the driver sees them: kept while a unit is unfinished, then deleted.

In: the study folder, the units whose rows are committed. Out: a sink that deletes the checkpoints of each unit once
its rows are in the store. What stands in them is the affair of the study kind; its workers write them.
"""

import shutil
from collections.abc import Container
from pathlib import Path

from distnlc.engine.driver import Progress
from distnlc.records import Records
from distnlc.spec import Unit


class CheckpointCleaner:
    """Implements `Sink`. `folder` is where units keep theirs, each in a folder named by its id."""

    def __init__(self, study_folder: Path, finished: Container[str]) -> None:
        """Deletes what a driver left behind that ended between a commit and the cleaning up."""
        self.folder = study_folder.absolute() / "checkpoints"
        for path in self.folder.iterdir() if self.folder.exists() else ():
            if path.name in finished:
                shutil.rmtree(path)

    def committed(self, unit: Unit, records: Records) -> None:
        path = self.folder / unit.unit_id
        if path.exists():  # short units have none
            shutil.rmtree(path)

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""
