"""The command `distnlc measure`: the user's own network, measured as the architectures of a reference study were.

The spec of the reference, an NLC study, fixes the points of the dataset, the batch size and the effort of each metric.
The result is the `Measured` of measured.py, with `--sensitivity` also the rows of tested.py; here it is printed.
"""

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distnlc.data.sources import STATED
from distnlc.data.spec import DataSpec
from distnlc.engine.executor import best_device
from distnlc.measuring.progress import shown_progress
from distnlc.plugged import NamedMetric
from distnlc.plugins import Metric, plugin_names, use_plugins
from distnlc.spec import SpecError
from distnlc.store import read_spec_fields
from distnlc.studies.nlc.spec import Spec

if TYPE_CHECKING:
    from distnlc.measuring.user import Points

FILES = (".npz", ".npy")


def measure(
    factory: Annotated[
        str,
        typer.Argument(metavar="FACTORY", help="MODULE:FUNCTION that returns a torch module; looked for here first"),
    ],
    data: Annotated[
        str,
        typer.Option(metavar="DATA", help=f"{', '.join(STATED)}, or a file: .npz (inputs, labels) or .npy (inputs)"),
    ],
    root: Annotated[str | None, typer.Option(metavar="DIR", help="the folder of MNIST's or CIFAR10's files")] = None,
    reference: Annotated[
        str | None, typer.Option(metavar="DIR", help="the study to compare with; default: the example study")
    ] = None,
    part: Annotated[
        str | None, typer.Option(metavar="PART", help="of that study; default: the first on the same dataset")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the network's random weights and of the measuring")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object, for programs")] = False,
    plugin: Annotated[
        list[str] | None, typer.Option(metavar="MODULE", help="a module whose metrics are measured too")
    ] = None,
    sensitivity: Annotated[
        bool,
        typer.Option("--sensitivity", help="also how sensitive the network, trained or not, is on the test part"),
    ] = False,
    walks: Annotated[
        bool, typer.Option("--walks", help="also what walks to the ends of linear regions, long for a large network")
    ] = False,
    ntk: Annotated[
        bool, typer.Option("--ntk", help="also the condition number of the NTK, which takes hours for a large network")
    ] = False,
) -> None:
    """Measures your own network before it is trained, and says what error to expect."""
    import torch

    from distnlc.measuring.measured import find_reference, placed
    from distnlc.measuring.network import measure_network
    from distnlc.measuring.tested import with_tested
    from distnlc.measuring.user import make_network

    use_plugins(plugin or ())
    own = tuple(NamedMetric.parse({"name": name, "version": ""}) for name in plugin_names(Metric)) if plugin else ()
    compared = find_reference(reference, data, part)
    spec = _spec(reference, compared.name)
    network = make_network(factory, seed=seed)
    points = _points(data, root, spec)
    device = best_device() if hasattr(network, "parameters") else "cpu"  # other callables stay where they are
    try:
        with shown_progress() as progress:
            found = measure_network(
                *(network, points.inputs.to(device), points.labels),
                batch_size=spec.training.batch_size,
                spec=spec.metrics.model_copy(update={"extra": own}),
                seed=seed,
                walks=walks,
                ntk=ntk,
                progress=progress,
            )
            if sensitivity:
                tests = points.test_inputs.to(device).to(getattr(torch, found.dtype))
                found = with_tested(found, network, tests, points.image_shape, data)
    except ValueError as error:
        raise SpecError(f"{factory} with {data}: {error}") from None
    found = placed(found, compared, study=reference, data=data, named=part is not None)
    if as_json:
        fields = {"network": factory, "data": data, "device": device, **asdict(found)}
        typer.echo(json.dumps(_finite(fields), indent=1, allow_nan=False))
    else:
        typer.echo(f"{factory} on {data}: {found}")


def _spec(reference: str | None, part: str) -> Spec:
    """That of the part. Raises SpecError."""
    from distnlc.analysis import EXAMPLE

    folder = reference or str(EXAMPLE)
    return Spec.parse(read_spec_fields(folder), where=folder).part(part)


def _points(data: str, root: str | None, spec: Spec) -> "Points":
    """The user's own file, or the training part of a dataset as the reference has it. Raises SpecError, DataError."""
    from distnlc.data.dataset import load
    from distnlc.measuring.user import Points, read_points

    if data.endswith(FILES):
        return read_points(Path(data))
    if data not in STATED:
        raise SpecError(f"--data {data}: expected {', '.join(STATED)}, or a file that ends in {' or '.join(FILES)}")
    same = spec.data.name == data
    fields = (spec.data.model_dump() if same else {"name": data}) | ({"root": root} if root else {})
    dataset = load(DataSpec.parse(fields, where="--data"), spec.seed)
    image_shape = dataset.shape if len(dataset.shape) > 1 else None
    return Points(dataset.train_inputs, dataset.train_labels, dataset.test_inputs, image_shape)


def _finite(value: Any) -> Any:
    """The same with the words "nan", "inf" and "-inf" for what JSON has no numbers for."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
