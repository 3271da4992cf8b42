"""Progress as metrics of the Ray cluster, for those who watch it with Prometheus and Grafana already.

In: the driver's progress. Out: gauges at the metrics port of the driver's node, which Ray names `ray_distnlc_<name>`,
with the tags `study` (its name) and `study_id`. Ray exports them every 10 s if it is installed with its dashboard
(`ray[default]`). They count the units of this call of the command. Without Ray nothing happens.
"""

import sys
from typing import Any

from distnlc.progress import Progress
from distnlc.records import Records
from distnlc.spec import StudySpec, Unit, spec_id

GAUGES = {
    "units_done": "units done",
    "units_failed": "units given up",
    "units_running": "units being worked on",
    "workers": "workers now; 0 while the study waits for machines",
    "units_per_hour": "units done per hour",
    "seconds_left": "expected seconds until the study is done",
}


class RayMetrics:
    """Implements `Sink`."""

    def __init__(self, spec: StudySpec) -> None:
        self._tags = {"study": spec.name, "study_id": spec_id(spec)}
        self._gauges: dict[str, Any] = {}

    def committed(self, unit: Unit, records: Records) -> None:
        """Nothing to do."""

    def progress(self, progress: Progress) -> None:
        ray = sys.modules.get("ray")  # a study that is done in this process does not import it
        if ray is None or not ray.is_initialized():
            return
        if not self._gauges:
            self._gauges = _register(tuple(self._tags))
        values = {
            "units_done": progress.done,
            "units_failed": progress.failed,
            "units_running": progress.running,
            "workers": progress.workers,
            "units_per_hour": progress.units_per_hour,
            "seconds_left": progress.seconds_left,
        }
        for name, value in values.items():
            if value is not None:
                self._gauges[name].set(value, self._tags)


def _register(tag_keys: tuple[str, ...]) -> dict[str, Any]:
    from ray.util.metrics import Gauge

    return {name: Gauge(f"distnlc_{name}", text, tag_keys) for name, text in GAUGES.items()}
