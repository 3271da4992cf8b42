"""One call of `distnlc run` in the study's list of sessions: when, how long, with what hardware and versions.

`Session` is a sink, which counts the units, and a context, which writes the session when it begins and completes it
when it ends. A full disk must not stop the study here.
"""

import platform
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from distnlc.progress import Progress
from distnlc.records import Records
from distnlc.spec import Unit
from distnlc.store import Place, StoreError, add_session
from distnlc.versions import cores, cpu_name, versions


class Session:
    """Implements `Sink`. `executor`: ray or serial."""

    def __init__(self, place: Place, executor: str) -> None:
        self.place = place
        self.began_s = time.monotonic()
        self.facts: dict[str, Any] = {
            "started": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "units": 0,
            "executor": executor,
            "cpu": cpu_name(),
            "cores": cores(),
            "platform": f"{platform.system()} {platform.machine()}",
            "versions": versions(),
        }

    def __enter__(self) -> "Session":
        self._write()
        return self

    def __exit__(self, *error: object) -> None:
        self.facts["seconds"] = round(time.monotonic() - self.began_s, 1)
        self._write()

    def _write(self) -> None:
        with suppress(OSError, StoreError):
            add_session(self.place, self.facts)

    def committed(self, unit: Unit, records: Records) -> None:
        self.facts["units"] += 1

    def progress(self, progress: Progress) -> None:
        """Nothing to do."""
