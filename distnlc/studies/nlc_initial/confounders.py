"""Section 6 of the NLC study as an experiment: what one can do to a network without changing how well it learns,
and which metrics move when it is done.

In: a sample of the study's architectures at initialization, on waveform-noise. Out: the mapping that
`analysis/tables/confounders.py` shows; of every change and metric, after / before (after - before for cosines):
its median over the architectures, lowest and highest value, and the number of architectures that have one.

    python -m distnlc.studies.nlc_initial.confounders --out analysis/tables/confounders.json
"""

import argparse
import json
import logging
import math
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median, stdev
from typing import Any, NamedTuple

import torch
from torch import Tensor

from distnlc.data import dataset as data
from distnlc.data.dataset import Dataset
from distnlc.data.spec import DataSpec
from distnlc.metrics.gradients import input_gradients
from distnlc.metrics.nlc import jacobian_norm, nlc_from
from distnlc.metrics.spec import MetricsSpec
from distnlc.metrics.spread import input_moments, output_moments
from distnlc.networks.architecture import Architecture
from distnlc.networks.loss import cross_entropy
from distnlc.spec import derive_seed
from distnlc.studies.nlc.measurement import measure_initial
from distnlc.studies.nlc.sampling import sample_architecture
from distnlc.studies.nlc_initial.changes import CHANGES, Case, absorbs, make_case
from distnlc.training.spec import TrainingSpec

PARAMETERS = 20_000
EFFORT = MetricsSpec(nlc_batches=8, walk_batches=1, walk_inputs=3, walk_outputs=5)
COSINES = ("input_cosine", "output_cosine")
METRICS = (
    "nlc",
    "bias",
    "relative_diameter",
    "gradient_component",
    "gradient_length",
    "jacobian_norm",
    "lipschitz",
    *COSINES,
    "depth",
)
SINE_FREQUENCIES = (1, 10, 100, 1000)
SINE_QUANTITIES = ("nlc", "gradient_component", "jacobian_norm", "output_spread")

Values = dict[str, float]

log = logging.getLogger(__name__)


class Summary(NamedTuple):
    """Of one metric's movements over the architectures."""

    median: float
    lowest: float
    highest: float
    architectures: int


def measure(case: Case) -> Values:
    """All initial metrics of section 3, by METRICS' names, as the study itself measures them."""
    training = TrainingSpec()
    found = measure_initial(case.network, case.architecture, case.dataset, EFFORT, case.loss_scale, training)
    return {name: found[f"init_{name}"] for name in METRICS[:-1]} | {"depth": case.architecture.depth}


def measure_changes(architectures: Sequence[Architecture], dataset: Dataset) -> dict[str, dict[str, Summary]]:
    """What every change does to every metric, over the architectures: {change: {metric: summary}}."""
    found: dict[str, list[Values]] = {name: [] for name in CHANGES}
    for architecture in architectures:
        case = make_case(architecture, dataset)
        before = measure(case)
        for name, change in CHANGES.items():
            found[name].append(_movement(before, measure(change(case))))
        log.info("changed: %s", architecture.label())
    return {name: _summaries(movements) for name, movements in found.items()}


def measure_width(
    architectures: Sequence[Architecture], dataset: Dataset, initializations: int
) -> tuple[dict[str, Summary], Values]:
    """What twice the width does to the median over `initializations` draws: {metric: summary over architectures}.

    Also {metric: standard deviation over initializations of a typical (the median) architecture}: of the natural
    logarithm, and of the value itself for cosines.
    """
    movements, deviations = [], []
    for architecture in architectures:
        seeds = [derive_seed("confounders", architecture.seed, draw) for draw in range(initializations)]
        narrow, wide = (
            [measure(make_case(replace(architecture, seed=seed, width=width), dataset)) for seed in seeds]
            for width in (architecture.width, 2 * architecture.width)
        )
        movements.append(_movement(_medians(narrow), _medians(wide)))
        deviations.append({name: _deviation(name, [values[name] for values in narrow]) for name in METRICS})
        log.info("width doubled: %s", architecture.label())
    return _summaries(movements), {
        name: median(values[name] for values in deviations if math.isfinite(values[name])) for name in METRICS
    }


def measure_sines(dataset: Dataset, initializations: int) -> dict[str, dict[str, float]]:
    """Networks with tau(s) = 1 + sin(k s) / k, ever less like their inputs as k grows: {quantity: {k: median}}."""
    inputs = dataset.train_inputs
    found: dict[str, dict[str, float]] = {name: {} for name in SINE_QUANTITIES}
    for k in SINE_FREQUENCIES:
        draws = []
        for draw in range(initializations):
            network = sine_network(k, dataset.d_in, dataset.classes, seed=derive_seed("sines", draw))
            jacobian = jacobian_norm(network, inputs, batches=EFFORT.nlc_batches, seed=draw)
            outside = output_moments(network, inputs)
            loss = partial(cross_entropy, loss_scale=float(outside.size))
            gradients = input_gradients(network, inputs, dataset.train_labels, loss)
            coefficient = nlc_from(jacobian, input_moments(inputs), outside)
            draws.append((coefficient, gradients.component_size, jacobian, float(outside.spread)))
        for name, values in zip(SINE_QUANTITIES, zip(*draws, strict=True), strict=True):
            found[name][str(k)] = median(values)
    return found


def sine_network(k: float, d_in: int, d_out: int, *, seed: int) -> Callable[[Tensor], Tensor]:
    """A plain network of depth 3 and width 100 with tau(s) = 1 + sin(k s) / k, initialized as the study's are."""
    plain = Architecture(index=0, seed=seed, d_in=d_in, d_out=d_out, depth=3, width=100, activation="relu")
    *hidden, last = plain.build().requires_grad_(False).linears

    def network(signal: Tensor) -> Tensor:
        for linear in hidden:
            signal = 1 + torch.sin(k * linear(signal)) / k
        outputs: Tensor = last(signal)
        return outputs

    return network


def _movement(before: Values, after: Values) -> Values:
    """after / before, after - before for cosines; nan where a value is 0 or not finite."""

    def moved(name: str) -> float:
        if name in COSINES:
            return after[name] - before[name]
        usable = all(0 < value < math.inf for value in (before[name], after[name]))
        return after[name] / before[name] if usable else math.nan

    return {name: moved(name) for name in METRICS}


def _summaries(movements: Sequence[Values]) -> dict[str, Summary]:
    found = {}
    for name in METRICS:
        values = [values[name] for values in movements if math.isfinite(values[name])]
        found[name] = Summary(median(values), min(values), max(values), len(values))
    return found


def _medians(draws: Sequence[Values]) -> Values:
    return {name: median(values[name] for values in draws) for name in METRICS}


def _deviation(name: str, values: Sequence[float]) -> float:
    if name in COSINES:
        return stdev(values)
    return stdev(map(math.log, values)) if all(0 < value < math.inf for value in values) else math.nan


def measure_all(count: int, points: int, initializations: int) -> dict[str, Any]:
    """Everything that the table shows, of the first `count` architectures. Logs one line per architecture."""
    dataset = data.load(DataSpec(name="waveform-noise", train=points), seed=0)
    sizes = {"d_in": dataset.d_in, "d_out": dataset.classes, "parameters": PARAMETERS}
    architectures = [sample_architecture(index, seed=0, **sizes) for index in range(count)]
    changes = measure_changes(architectures, dataset)
    changes["width"], deviations = measure_width(architectures, dataset, initializations)
    kinds = Counter(architecture.normalization for architecture in architectures)
    return {
        "changes": changes,
        "deviations": deviations,
        "sines": measure_sines(dataset, initializations),
        "unaided": sum(map(absorbs, architectures)),
        "architectures": count,
        "settings": {
            "architectures": f"{count} architectures of the study at {PARAMETERS:,} parameters for waveform-noise "
            f"({kinds['none']} without normalization, {kinds['batch']} with batch, {kinds['layer']} with layer norm)",
            "inputs": f"{points:,} training inputs in batches of 250",
            "initializations": f"one; {initializations} of either width and of each sine network",
        },
    }


def main() -> int:
    """Measures and writes the file. Exit codes: 0 written."""
    parser = argparse.ArgumentParser(
        prog="python -m distnlc.studies.nlc_initial.confounders", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--architectures", type=int, default=24)
    parser.add_argument("--points", type=int, default=1_000, help="training inputs that the networks are measured on")
    parser.add_argument("--initializations", type=int, default=5, help="per architecture and width")
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    measured = measure_all(arguments.architectures, arguments.points, arguments.initializations)
    arguments.out.write_text(json.dumps(_rounded(measured), indent=1, allow_nan=False) + "\n")
    return 0


def _rounded(measured: dict[str, Any]) -> Any:
    """With six digits, so that the file can be read."""
    return json.loads(json.dumps(measured), parse_float=lambda digits: float(f"{float(digits):.6g}"))


if __name__ == "__main__":
    sys.exit(main())
