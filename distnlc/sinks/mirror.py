"""The sink that feeds MLflow: hands over each committed unit, and from the store those that MLflow lacks.

In: units as they are committed, progress, the report. Out: calls of tracking.Tracker, which talks to MLflow in a
thread of its own. Idle where MLflow is not installed, or no mirror can be made; it says why.
"""

from collections.abc import Collection, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from distnlc.plugins import Kind, loaded
from distnlc.progress import Progress, Tally
from distnlc.records import Records, unit_row
from distnlc.sinks.console import say
from distnlc.spec import StudySpec, Unit
from distnlc.store import place_of, read_statuses
from distnlc.tracking import Tracker, TrackingError, View, default_uri, ui_command, usable_uri, view_of

MIRROR_S, HURRY_S = 30.0, 3.0
"""how long the end waits for MLflow: after the units, after an interruption"""


class Mirror:
    """Implements `Sink`."""

    def __init__(
        self, study: StudySpec, kind: Kind[Any], folder: str, here: Path, uri: str | None, tally: Tally
    ) -> None:
        """`here`: the folder of this machine that gets mlflow.db, if there is no `uri`."""
        self.kind, self.folder, self.tally = kind, folder, tally
        self.wait_s = HURRY_S
        self.off, self.uri = "MLflow is not installed", ""
        if find_spec("mlflow") is not None:
            try:
                self.uri = usable_uri(uri or default_uri(here))
                self.off = ""
            except TrackingError as error:
                self.off = str(error)
        self._begin = partial(Tracker, study, here, partial(read_statuses, folder), self.views, uri=self.uri)
        self._tracker: Tracker | None = None

    @property
    def tracker(self) -> Tracker | None:
        """None where there is no mirror; begun with the first that it is told: a study that cannot start needs none."""
        if self._tracker is None and not self.off:
            self._tracker = self._begin()
        return self._tracker

    def views(self, wanted: Collection[str]) -> Iterator[tuple[str, View]]:
        """The views of committed units; called in the tracker's thread."""
        from distnlc.store import read_records

        for unit_id, records in read_records(self.folder, self.kind.tables, wanted):
            yield unit_id, self._view(records)

    def _view(self, records: Records) -> View:
        return view_of(records, loaded(self.kind.curves)(records))

    def committed(self, unit: Unit, records: Records) -> None:
        if self.tracker is not None:
            self.tracker.unit(unit.unit_id, unit_row(records).status, self._view(records))

    def progress(self, progress: Progress) -> None:
        if self.tracker is not None:
            failed = self.tally.failed
            self.tracker.progress(
                done=self.tally.settled - failed,
                failed=failed,
                total=self.tally.total,
                units_per_hour=progress.units_per_hour,
                seconds_left=progress.seconds_left,
                headline=self.tally.headline.numbers(),
            )

    def report(self) -> None:
        """Hands over the study's report, which is written; MLflow gets it last."""
        if self.tracker is not None:
            self.tracker.report(lambda: place_of(self.folder).read("report/index.html").decode())

    def announce(self) -> None:
        say(f"tracking is off: {self.off}" if self.off else f"see it in MLflow: {ui_command(self.uri)}")

    def close(self) -> None:
        if self._tracker is not None:
            self._tracker.close(self.wait_s if self.tally.settled else 0.0)  # an empty mirror is not worth a wait
