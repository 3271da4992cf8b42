"""The command line, and the only place that wires store, tracking and sinks to the engine.

    run.py      `run`: does a study, or goes on with it
    plan.py     `plan`: what a study would take
    status.py   `status`: how far a study is
    show.py     `report`, `figure`, `table`, `export`; `presets`, `kinds`

Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted. A user's mistake gets one
message and no traceback. Whatever is slow to import is imported where it is used.
"""

import sys
from collections.abc import Callable

import typer

from distnlc.bench.command import bench
from distnlc.cli import plan, run, show, status
from distnlc.cli.words import USAGE
from distnlc.engine.executor import EngineError
from distnlc.engine.signals import interrupt_by_signals
from distnlc.measuring.command import measure
from distnlc.sinks.console import printable
from distnlc.spec import SpecError
from distnlc.store import StoreError
from distnlc.tracking import TrackingError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which property of a neural network, measured before training, predicts how well it will generalize?",
    epilog="Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted.",
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(run.run, plan.plan, status.status),
    *(show.report, show.figure, show.table, show.export, show.presets, show.kinds),
    *(measure, bench),
)
for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Entry point of the `distnlc` command."""
    interrupt_by_signals()
    try:
        app(prog_name="distnlc")
    except Exception as error:
        from distnlc.analysis.drawing.missing import MissingRecordsError
        from distnlc.data.images import DataError

        ours = SpecError | StoreError | DataError | EngineError | TrackingError | MissingRecordsError
        if not isinstance(error, ours):
            raise
        print(f"error: {printable(str(error))}", file=sys.stderr)
        sys.exit(USAGE)
