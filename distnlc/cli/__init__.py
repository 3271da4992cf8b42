"""The command line, and the only place that wires store, tracking and sinks to the engine.

    commands.py all commands as one application
    run.py      `run`: does a study, or goes on with it
    plan.py     `plan`: what a study would take
    status.py   `status`: how far a study is
    show.py     `report`, `figure`, `table`, `export`; `presets`, `kinds`

Exit codes: 0 all units done, 2 it could not start or go on, 3 finished with failed units, 130 interrupted. A user's
mistake gets one message and no traceback. Whatever is slow to import is imported where it is used.
"""

import io
import sys

from distnlc.cli.codes import INTERRUPTED, USAGE
from distnlc.engine.signals import interrupt_by_signals


def main() -> None:
    """Entry point of the `distnlc` command."""
    interrupt_by_signals()
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # what the locale cannot write
    try:
        _run()
    except KeyboardInterrupt:  # while the commands were being imported
        sys.exit(INTERRUPTED)


def _run() -> None:
    from distnlc.cli.commands import app
    from distnlc.files import at_home, settle_home

    try:
        settle_home()
        sys.argv[1:] = map(at_home, sys.argv[1:])
        app(prog_name="distnlc")
    except Exception as error:
        from distnlc.analysis.drawing.missing import MissingRecordsError
        from distnlc.data.folders import DataError
        from distnlc.engine.executor import EngineError
        from distnlc.files import NoHomeError
        from distnlc.sinks.console import printable
        from distnlc.spec import SpecError
        from distnlc.store import StoreError
        from distnlc.tracking import TrackingError

        ours = SpecError | StoreError | DataError | EngineError | TrackingError | MissingRecordsError | NoHomeError
        if not isinstance(error, ours):
            raise
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(USAGE)
