"""The command `distnlc measure`: the user's own network, measured as the architectures of a reference study were.

The spec of the reference, an NLC study, fixes the points of the dataset, the batch size and the effort of each metric.
The numbers come with a statement of what they are compared with: an error is predicted only where the reference is
about the same dataset, or where the user names a part of it.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from distnlc.data.sources import STATED
from distnlc.data.spec import DataSpec
from distnlc.engine.executor import best_device
from distnlc.measuring.table import plain_table
from distnlc.metrics import catalog
from distnlc.plugged import NamedMetric
from distnlc.plugins import Metric, plugin_names, use_plugins
from distnlc.records import quantities
from distnlc.sinks.console import say, terminal
from distnlc.spec import SpecError
from distnlc.store import read_spec_fields
from distnlc.studies.nlc.records import ArchitectureRow
from distnlc.studies.nlc.spec import Spec

if TYPE_CHECKING:
    from distnlc.analysis.nlc.parts import Part
    from distnlc.measuring.user import Points

KIND = "nlc"
"""the kind of study that has these metrics of thousands of networks, and their errors"""
FILES = (".npz", ".npy")
LABELS = {
    name: quantity.label
    for name, quantity in quantities(ArchitectureRow).items()
    if quantity.group == "initial" and name.startswith("init_")
}
"""column -> label of the initial metrics that need only a function, in the order of the table `architectures`"""

SENSITIVITY = {
    "chi": catalog.NORMALIZED_SENSITIVITY.label,
    "rank_signal": catalog.SIGNAL_RANK.label,
    "rank_noise": catalog.NOISE_RANK.label,
}
"""name -> label of what is measured at the output by `normalized_sensitivity`, in a study's table `measurements`"""

GRADIENTS = {
    "gradient_scale": catalog.GRADIENT_SCALE.label,
    "gradient_growth": catalog.GRADIENT_GROWTH.label,
    "preactivation_spread": catalog.PREACTIVATION_SPREAD.label,
    "sign_diversity": catalog.SIGN_DIVERSITY.label,
}
"""name -> label of what `gradient_summary` measures, likewise; the last two are of the last activation function"""

SCALING = {"scaling_imbalance": catalog.SCALING_IMBALANCE.label}
"""name -> label of what `scaling_imbalance` measures, likewise"""

OTHERS = ("sensitivity", "gradients", "scaling", "class_sensitivity", "zero_cost", "own_metrics")
"""groups of what a reference has only where its spec names them (`metrics.groups`, `metrics.extra`)"""


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
    ntk: Annotated[
        bool, typer.Option("--ntk", help="also the condition number of the NTK, which takes hours for a large network")
    ] = False,
) -> None:
    """Measures your own network before it is trained, and says what error to expect."""
    from distnlc import analysis
    from distnlc.measuring.class_sensitivity import INITIAL, tested_class_sensitivity
    from distnlc.measuring.network import measure_network
    from distnlc.measuring.user import make_network
    from distnlc.measuring.zero_cost import missing_proxies, naming

    use_plugins(plugin or ())
    own = tuple(NamedMetric.parse({"name": name, "version": ""}) for name in plugin_names(Metric)) if plugin else ()
    compared, spec = _reference(reference or str(analysis.EXAMPLE), data, part)
    network = make_network(factory, seed=seed)
    points = _points(data, root, spec)
    device = best_device() if hasattr(network, "parameters") else "cpu"  # other callables stay where they are
    effort, size = spec.metrics.model_copy(update={"extra": own}), spec.training.batch_size
    try:
        with terminal.status("measuring") as status:
            inputs = points.inputs.to(device)
            measured = measure_network(
                *(network, inputs, points.labels),
                batch_size=size,
                spec=effort,
                seed=seed,
                ntk=ntk,
                progress=naming(status),
            )
            test_inputs = points.test_inputs.to(device, measured.dtype)
            tested = tested_class_sensitivity(network, test_inputs, points.image_shape) if sensitivity else ({}, [])
    except ValueError as error:
        raise SpecError(f"{factory} with {data}: {error}") from None
    found: dict[str, Any] = {
        "network": factory,
        "parameters": measured.parameters,
        "seed": seed,
        "data": data,
        "points": len(points.inputs),
        "input_shape": list(points.inputs.shape[1:]),
        "outputs": measured.d_out,
        "batch_size": size,
        "dtype": str(measured.dtype).removeprefix("torch."),
        "device": device,
        "metrics": {name: measured.metrics.get(name) for name in LABELS},
        "sensitivity": {name: getattr(measured.sensitivity, name, None) for name in SENSITIVITY},
        "gradients": {name: getattr(measured.gradients, name, None) for name in GRADIENTS},
        "scaling": {name: getattr(measured, name) for name in SCALING},
        "class_sensitivity": {name: measured.class_sensitivity.get(name) for name in INITIAL} | tested[0],
        "zero_cost": {name: each.value for name, each in measured.zero_cost.items()},
        "zero_cost_seconds": {name: each.seconds for name, each in measured.zero_cost.items()},
        "own_metrics": {row.name: row.value for row in measured.own},
        "reference": {"study": reference or "the example study", "part": compared.name, "dataset": compared.key[0]},
        "notes": measured.notes + tested[1],
    }
    found["notes"] += [f"{row.label}: no value, it {row.reason}" for row in measured.own if row.value is None]
    found["notes"] += missing_proxies(measured.zero_cost)
    labels = {row.name: row.label for row in measured.own}
    _compare(found, compared, named=part is not None)
    if as_json:
        typer.echo(json.dumps(_finite(found), indent=1, allow_nan=False))
    else:
        _show(found, compared, labels)


def _reference(folder: str, data: str, part: str | None) -> tuple["Part", Spec]:
    """The part of a study to compare with, its rows and its spec. Raises SpecError for a study of another kind."""
    from distnlc.analysis.nlc.expectation import find_part

    fields = read_spec_fields(folder)
    if fields.get("kind") != KIND:
        raise SpecError(f"--reference {folder}: expected a study of the kind {KIND}, found {fields.get('kind')!r}")
    compared = find_part(folder, dataset=data, part=part)
    return compared, Spec.parse(fields, where=folder).part(compared.name)


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


def _compare(found: dict[str, Any], part: "Part", *, named: bool) -> None:
    """Adds the metrics' percentiles among the part's architectures, and the error to expect."""
    from distnlc.analysis.nlc.expectation import expected_error, percentile

    metrics, notes, dataset = found["metrics"], found["notes"], part.key[0]
    others = {name: value for group in OTHERS for name, value in found[group].items() if name in part.rows}
    places = {
        name: None if value is None else percentile(part, name, value) for name, value in (metrics | others).items()
    }
    found["reference"] |= {"architectures": len(part.rows), "percentiles": places}
    found["prediction"] = None
    if dataset != found["data"] and not named:
        notes.append(
            f"the reference is about {dataset}, not about {found['data']}: percentiles are no more than a hint, and no "
            "error is predicted (--part names a part to predict by all the same)"
        )
        return
    expected = expected_error(part, metrics["init_nlc"], metrics["init_bias"])
    if expected is None:
        notes.append("no error is predicted: NLC or bias is not finite, or too few of the reference were trained")
        return
    found["prediction"] = {"of": part.error, **asdict(expected)}
    low, high = expected.lowest_nlc, expected.highest_nlc
    if not low <= metrics["init_nlc"] <= high:
        notes.append(f"the NLC lies outside the reference's ({low:.3g} to {high:.3g}): the prediction is a guess")
    notes.append(
        "the prediction is for a network trained as the reference's were, fully connected and of "
        f"{part.rows['parameters'].median():,.0f} parameters; of another kind it may be far off"
    )


def _show(found: Mapping[str, Any], part: "Part", own_labels: Mapping[str, str]) -> None:
    """Prints a table, the prediction and the notes."""
    from distnlc.analysis.drawing.format import number
    from distnlc.measuring.class_sensitivity import LABELS as CLASS_SENSITIVITY
    from distnlc.measuring.zero_cost import proxies_table

    size = "" if found["parameters"] is None else f"{found['parameters']:,} parameters, "
    shape = " x ".join(map(str, found["input_shape"]))
    say(f"{found['network']}: {size}{shape} inputs, {found['outputs']} outputs")
    say(f"on {found['points']:,} points of {found['data']}")
    reference = found["reference"]

    def placed(name: str) -> tuple[str, str]:
        """Percentile and median, where the reference has them."""
        place = reference["percentiles"].get(name)
        return ("–", "–") if place is None else (f"{place:.0f}", number(part.rows[name].median()))

    table = plain_table("", "", ["quantity"], ["value", "percentile", "median"])
    for group, named in (
        ("metrics", LABELS),
        ("sensitivity", SENSITIVITY),
        ("gradients", GRADIENTS),
        ("scaling", SCALING),
        ("class_sensitivity", CLASS_SENSITIVITY),
        ("own_metrics", own_labels),
    ):
        for name, label in named.items():
            if (value := found[group].get(name)) is not None:
                table.add_row(label, number(value), *placed(name))
    terminal.print(table)
    terminal.print(proxies_table(found["zero_cost"], found["zero_cost_seconds"], placed))
    study, count = reference["study"], reference["architectures"]
    say(f"percentile and median: of {count} architectures of {part.title} in {study}", style="dim")
    if found["prediction"]:
        expected = found["prediction"]
        error, low, high = (f"{expected[each]:.3f}" for each in ("error", "low", "high"))
        say(f"predicted {expected['of'].replace('_', ' ')}: {error} (90% interval {low} to {high}), by NLC and bias")
    for note in found["notes"]:
        say(f"note: {note}", style="dim")


def _finite(value: Any) -> Any:
    """The same with the words "nan", "inf" and "-inf" for what JSON has no numbers for."""
    if isinstance(value, dict):
        return {name: _finite(each) for name, each in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
