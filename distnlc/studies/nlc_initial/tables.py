"""The measured numbers of tables 1 and 2 of the NLC study (sections 5, E.4 and A.2): networks at initialization.

In: the training inputs of a dataset, or isotropic Gaussian inputs. Out: the mapping that `analysis/tables` shows
beside the stated values, {"table1": {row: values}, "table2": {depth: value}, "checks": {...}, "settings": {...}},
where the checks say how far chance and the settings carry.

    python -m distnlc.studies.nlc_initial.tables --data cifar10 --root DIR --out analysis/tables/measured.json
"""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.data import dataset as data
from distnlc.data.spec import DataSpec
from distnlc.metrics.activation import activation_nlc, linear_approximation_error
from distnlc.metrics.nlc import nlc
from distnlc.networks.activations import FUNCTIONS, make_activation
from distnlc.networks.architecture import Architecture, width_for
from distnlc.networks.initialization import Parameters
from distnlc.networks.mlp import MLP
from distnlc.spec import derive_seed

PARAMETERS = 1_000_000
"""of the networks of table 1, whose width the paper does not state: the size of the study's architectures"""
TABLE2_DEPTHS = (2, 5, 10, 15, 20, 25, 50)
TABLE2_WIDTH = 100
UNSTABLE = ("square", "odd-square")
"""whose networks of depth 49 have values that depend on a few batches, and on the initialization"""

log = logging.getLogger(__name__)


def measure_tables(inputs: Tensor, d_out: int, *, batches: int, initializations: int, seed: int) -> dict[str, Any]:
    """Both tables on `inputs` (points, d_in); every network's value is a median over `initializations`.

    `batches` is the number of batches of 250 that each Jacobian norm is estimated from; the spreads take all
    inputs. All columns of a row have the same initial weights, so that they differ by the activation function
    alone; what chance adds to them, a few percent, is mostly common to the row. Logs one line per value.
    Raises ValueError for inputs of a wrong shape.
    """
    d_in, seeds = inputs.shape[1], _seeds(initializations, seed)
    widths = [width_for(PARAMETERS, depth, d_in, d_out) for depth in (2, 49)]
    shallow, deep = (
        [
            nlc_values(partial(study_network, name, depth=depth, width=width), inputs, d_out, batches, seeds)
            for name in FUNCTIONS
        ]
        for depth, width in zip((2, 49), widths, strict=True)
    )
    table2 = {
        str(depth): median(nlc_values(partial(he_network, depth=depth), inputs, d_out, batches, seeds))
        for depth in TABLE2_DEPTHS
    }
    settings = {
        "measured on": f"{len(inputs):,} inputs of {d_in} features, {d_out} outputs, batches of 250",
        "values": f"median of {initializations} initializations; {batches} batches per Jacobian norm; seed {seed}; "
        "the same initial weights in all columns of a row of table 1",
        "networks of table 1": "batch norm before every activation, orthogonal initialization, zero biases; about "
        f"{PARAMETERS:,} parameters: width {widths[0]} at depth 2, {widths[1]} at depth 49",
        "networks of table 2": "batch norm before every ReLU, independent Gaussian weights of variance 2 / fan-in, "
        f"zero biases; width {TABLE2_WIDTH}",
    }
    rows = activation_rows() | {"B": list(map(median, shallow)), "D": list(map(median, deep))}
    return {
        "table1": dict(sorted(rows.items())),
        "table2": table2,
        "ranges": {"D": [[min(values), max(values)] for values in deep]},
        "settings": settings,
    }


def measure_checks(inputs: Tensor, d_out: int, *, batches: int, initializations: int, seed: int) -> dict[str, Any]:
    """What table 1 depends on; arguments as for `measure_tables`, a tenth of whose batches will do.

    Row B: of networks on isotropic inputs, and of networks without activation function, also of ten times as many
    initializations; and the number of directions of equal variance that are as uneven as the inputs' (sum of
    variances squared / sum of squares). Row D: medians of the unstable networks by width.
    """
    d_in, seeds = inputs.shape[1], _seeds(10 * initializations, seed)
    shallow, deep = (width_for(PARAMETERS, depth, d_in, d_out) for depth in (2, 49))
    covariance = torch.cov(inputs.T, correction=0)
    sizes = {"depth": 2, "width": shallow, "d_in": d_in, "d_out": d_out}
    linear = [nlc_without_activation(study_network("relu", **sizes, seed=own), covariance) for own in seeds]
    seeds = seeds[:initializations]
    isotropic = gaussian_inputs(250 * batches, d_in, seed)
    return {
        "directions": float(covariance.trace() ** 2 / covariance.square().sum()),
        "isotropic B": [
            median(nlc_values(partial(study_network, name, depth=2, width=shallow), isotropic, d_out, batches, seeds))
            for name in FUNCTIONS
        ],
        "linear B": {
            "median": median(linear[:initializations]),
            "initializations": len(linear),
            "of all": median(linear),
        },
        "batches": batches,
        "D by width": {
            name: {
                str(width): median(
                    nlc_values(partial(study_network, name, depth=49, width=width), inputs, d_out, batches, seeds)
                )
                for width in (deep // 2, deep, deep * 2)
            }
            for name in UNSTABLE
        },
    }


def nlc_values(build: "partial[MLP]", inputs: Tensor, d_out: int, batches: int, seeds: Sequence[int]) -> list[float]:
    """The NLC of one network for each seed; logs their median and range."""
    found = [
        nlc(build(d_in=inputs.shape[1], d_out=d_out, seed=seed), inputs, batches=batches, seed=seed) for seed in seeds
    ]
    log.info("%s %s: %.4g (%.4g to %.4g)", build.args, build.keywords, median(found), min(found), max(found))
    return found


def _seeds(count: int, seed: int) -> list[int]:
    """Of the initializations; the first are the same for every count."""
    return [derive_seed("tables", seed, initialization) for initialization in range(count)]


def nlc_without_activation(network: MLP, covariance: Tensor) -> float:
    """The NLC of a depth-2 batch-norm network if its activation function were the identity: of a linear map, exactly.

    `covariance` (d_in, d_in) is the inputs'; batch norm divides by the standard deviation over all of them.
    """
    first, last = (value.detach() for value in network.parameters() if value.ndim == 2)  # not the biases
    deviations = ((first @ covariance) * first).sum(1).sqrt()
    matrix = (last / deviations) @ first
    variance = ((matrix @ covariance) * matrix).sum()
    return float((matrix.square().sum() * covariance.trace() / (len(covariance) * variance)).sqrt())


def activation_rows() -> dict[str, list[float]]:
    """Rows A (NLC_tau(1)) and E (linear approximation error) of table 1, by quadrature, for the plain functions."""
    return {
        "A": [activation_nlc(function) for function in FUNCTIONS.values()],
        "E": [linear_approximation_error(function) for function in FUNCTIONS.values()],
    }


def study_network(activation: str, *, depth: int, width: int, d_in: int, d_out: int, seed: int) -> MLP:
    """A batch-norm network as the study initializes it: orthogonal, zero biases, tau scaled to Q = 1, no skips."""
    return Architecture(
        index=0,
        seed=seed,
        d_in=d_in,
        d_out=d_out,
        depth=depth,
        width=width,
        activation=activation,
        normalization="batch",
    ).build()


def he_network(*, depth: int, d_in: int, d_out: int, seed: int) -> MLP:
    """A batch-norm ReLU network of width 100 with Gaussian weights of variance 2 / fan-in and zero biases.

    Batch norm undoes the weights' scale, so only their independence tells this from `study_network`.
    """
    generator = np.random.default_rng(seed)
    widths = [d_in, *[TABLE2_WIDTH] * (depth - 1), d_out]
    weights = [
        torch.from_numpy(generator.standard_normal((fan_out, fan_in))) * (2 / fan_in) ** 0.5
        for fan_in, fan_out in pairwise(widths)
    ]
    biases = [torch.zeros(fan_out, dtype=torch.float64) for fan_out in widths[1:]]
    return MLP(
        Parameters(weights, biases, projection=None),
        activation=make_activation("relu"),
        normalization="batch",
        skip_strength=0.0,
        skip_start="none",
    )


def gaussian_inputs(points: int, d_in: int, seed: int) -> Tensor:
    """Isotropic unit Gaussian inputs (points, d_in), float64."""
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((points, d_in)))


def main() -> int:
    """Measures and writes the file. Exit codes: 0 written, 1 data not found or not readable."""
    parser = argparse.ArgumentParser(
        prog="python -m distnlc.studies.nlc_initial.tables", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--data", choices=("cifar10", "mnist", "gaussian"), default="gaussian")
    parser.add_argument("--root", help="folder with the image files; not needed where the study's data are found")
    parser.add_argument("--points", type=int, default=40_000, help="inputs that the networks are measured on")
    parser.add_argument("--batches", type=int, default=100, help="of 250, per Jacobian norm")
    parser.add_argument("--initializations", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, required=True, help="the JSON file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    if arguments.data == "gaussian":
        d_in, d_out = data.dimensions(DataSpec(name="cifar10"))
        inputs, described = gaussian_inputs(arguments.points, d_in, arguments.seed), "isotropic Gaussian"
    else:
        try:
            dataset = data.load(DataSpec(name=arguments.data, root=arguments.root), arguments.seed)
        except data.DataError as error:
            print(error, file=sys.stderr)
            return 1
        inputs, d_out = dataset.train_inputs[: arguments.points].clone(), dataset.classes  # in random order already
        described = f"{arguments.data}, training part, prepared as in the study"
    settings = {"initializations": arguments.initializations, "seed": arguments.seed}
    measured = measure_tables(inputs, d_out, batches=arguments.batches, **settings)
    measured["checks"] = measure_checks(inputs, d_out, batches=max(1, arguments.batches // 10), **settings)
    measured["settings"] = {"data": described} | measured["settings"]
    arguments.out.write_text(json.dumps(measured, indent=2, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
