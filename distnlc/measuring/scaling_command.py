"""The command `distnlc scaling`: at what pace the layers of the user's own network will learn, and what balances them.

In: the user's network, the shape of a datapoint and, if given, data. Out: the plan of an initialization, from shapes
alone, and what was measured of the network with the weights that it has. Both gammas are relative to the geometric mean
of the layers, so that they can be compared. Where a network is not sequential there is no plan, and one line says so;
one on `meta` has no weights, and gets the plan alone. Without data the inputs are independent N(0, 1).
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, get_args

import typer

from distnlc.sinks.console import say
from distnlc.spec import SpecError

if TYPE_CHECKING:
    from torch import Tensor

    from distnlc.metrics.scaling_rows import Scaling
    from distnlc.networks.scaling import Plan

SAMPLES = 64
"""datapoints that are measured"""
MOST_NUMBERS = 2**22
"""of a datapoint of random numbers: all together take 2 GiB"""


def scaling(
    factory: Annotated[
        str,
        typer.Argument(metavar="FACTORY", help="MODULE:FUNCTION that returns a torch module; looked for here first"),
    ],
    shape: Annotated[str, typer.Option(metavar="N,...", help="of one datapoint, such as 3,32,32 or 40")],
    data: Annotated[
        str | None, typer.Option(metavar="FILE", help=".npz (inputs) or .npy; default: random numbers of variance 1")
    ] = None,
    init: Annotated[
        str, typer.Option(metavar="NAME", help="of the plan: geometric, fan-in, fan-out, arithmetic, default (torch's)")
    ] = "geometric",
    seed: Annotated[int, typer.Option(min=0, help="of the network's random weights and of the measuring")] = 0,
) -> None:
    """Says at what pace each layer of your own network will learn, from its shapes and measured."""
    from torch import nn

    from distnlc.measuring.user import make_network
    from distnlc.metrics.scaling import scaling as measured_scaling
    from distnlc.networks.scaling import scaling_plan
    from distnlc.networks.scaling_rule import Init
    from distnlc.networks.shape_walk import UnknownForwardError

    sizes = _sizes(shape)
    known = {str(name): name for name in get_args(Init)}
    if init not in known:
        raise SpecError(f"--init {init}: expected one of {', '.join(known)}")
    network = make_network(factory, seed=seed)
    has_weights = not any(each.is_meta for each in getattr(network, "parameters", list)())
    inputs = _inputs(data, sizes, seed) if has_weights or data is not None else None
    try:
        try:
            plan = scaling_plan(network, sizes, init=known[init]) if isinstance(network, nn.Module) else None
        except UnknownForwardError as reason:
            plan = None
            say(f"no plan: {reason}")
        found = None
        if has_weights and inputs is not None:
            found = measured_scaling(network, inputs, samples=SAMPLES, seed=seed)
    except ValueError as error:
        raise SpecError(f"{factory} with --shape {shape}: {error}") from None
    if plan is not None:
        say(f"the plan: {init}, with a fixed multiplier before each layer")
        typer.echo(str(plan))
    if found is not None:
        say(f"measured: the network as {factory} makes it, on {data or 'random numbers'}")
        typer.echo(str(found))
    if plan is not None and found is not None:
        typer.echo(_beside(plan, found))


def _sizes(shape: str) -> tuple[int, ...]:
    parts = shape.replace("x", ",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise SpecError(f"--shape {shape}: expected the sizes of one datapoint, such as 3,32,32")
    return tuple(int(part) for part in parts)


def _inputs(data: str | None, sizes: Sequence[int], seed: int) -> "Tensor":
    """(points, ...), float64. Raises SpecError and DataError."""
    import torch

    from distnlc.measuring.user import read_points
    from distnlc.spec import derive_seed

    if data is None:
        if math.prod(sizes) > MOST_NUMBERS:
            raise SpecError(
                f"--shape {','.join(map(str, sizes))}: expected at most {MOST_NUMBERS:,} numbers a datapoint"
            )
        random = torch.Generator().manual_seed(derive_seed("scaling", seed, "inputs"))
        return torch.randn(SAMPLES, *sizes, generator=random, dtype=torch.float64)
    inputs = read_points(Path(data)).inputs
    if inputs.shape[1:] != tuple(sizes):
        raise SpecError(f"--data {data}: its datapoints have the shape {tuple(inputs.shape[1:])}, not {tuple(sizes)}")
    return inputs


def _beside(plan: "Plan", found: "Scaling") -> str:
    """Both gammas of each layer, relative to their geometric means."""
    from distnlc.networks.text_table import aligned

    planned = {row.name: row.gamma for row in plan.rows}
    measured = {row.name: row.gamma for row in found.weights if row.gamma}
    names = [name for name in planned if name in measured]
    if not names:
        return "no layer that has both"
    middles = [math.exp(sum(math.log(each[name]) for name in names) / len(names)) for each in (planned, measured)]
    rows = [[name or "(network)", planned[name] / middles[0], measured[name] / middles[1]] for name in names]
    return aligned(["gamma by the geometric mean", "planned", "measured"], rows)
