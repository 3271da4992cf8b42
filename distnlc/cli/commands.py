"""All commands as one Typer application."""

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperGroup

from distnlc.bench.command import bench
from distnlc.cli import plan, run, show, status
from distnlc.cli.codes import INTERRUPTED
from distnlc.measuring.command import measure
from distnlc.measuring.scaling_command import scaling
from distnlc.sinks.console import say


class Commands(TyperGroup):
    """The commands; a Ctrl-C or SIGTERM that none of them answers itself ends it with the same code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            say("interrupted")
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Which property of a neural network, measured before training, predicts how well it will generalize?",
    epilog="Exit codes: 0 all units done, 2 usage, 3 finished with failed units, 130 interrupted.",
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(run.run, plan.plan, status.status),
    *(show.report, show.figure, show.table, show.export, show.presets, show.kinds),
    *(measure, scaling, bench),
)
for command in COMMANDS:
    app.command()(command)
