"""The measured numbers of tables 1 and 2 of the NLC study (sections 5, E.4 and A.2): networks at initialization.

In: the training inputs of a dataset, or isotropic Gaussian inputs. Out: the mapping that `analysis/tables` shows
beside the stated values, {"table1": {row: values}, "table2": {depth: value}, "settings": {...}}.

    python -m distnlc.studies.nlc_tables --data cifar10 --root DIR --out analysis/tables/measured.json
"""

import argparse
import json
import logging
import sys
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc import data
from distnlc.metrics import activation_nlc, linear_approximation_error, nlc
from distnlc.networks.activations import FUNCTIONS, make_activation
from distnlc.networks.initialization import Parameters
from distnlc.networks.mlp import MLP
from distnlc.networks.sampling import Architecture, width_for
from distnlc.spec import DataSpec, derive_seed

PARAMETERS = 1_000_000
"""of the networks of table 1, whose width the paper does not state: the size of the study's architectures"""
TABLE2_DEPTHS = (2, 5, 10, 15, 20, 25, 50)
TABLE2_WIDTH = 100

log = logging.getLogger(__name__)


def measure_tables(inputs: Tensor, d_out: int, *, batches: int, initializations: int, seed: int) -> dict[str, Any]:
    """Both tables on `inputs` (points, d_in); every network's value is a median over `initializations`.

    `batches` is the number of batches of 250 that each Jacobian norm is estimated from; the spreads take all
    inputs. All columns of a row have the same initial weights, so that they differ by the activation function
    alone; what chance adds to them, a few percent, is mostly common to the row. Logs one line per value.
    Raises ValueError for inputs of a wrong shape.
    """
    d_in, rows = inputs.shape[1], activation_rows()

    def median_nlc(build: Callable[..., MLP], name: str) -> float:
        seeds = [derive_seed("tables", seed, initialization) for initialization in range(initializations)]
        value = median(nlc(build(seed=own), inputs, batches=batches, seed=own) for own in seeds)
        log.info("%s: %.4g", name, value)
        return value

    for row, depth in (("B", 2), ("D", 49)):
        width = width_for(PARAMETERS, depth, d_in, d_out)
        sizes = {"depth": depth, "width": width, "d_in": d_in, "d_out": d_out}
        rows[row] = [
            median_nlc(partial(study_network, name, **sizes), f"table 1, row {row}: {name}, depth {depth}")
            for name in FUNCTIONS
        ]
    table2 = {
        str(depth): median_nlc(partial(he_network, depth=depth, d_in=d_in, d_out=d_out), f"table 2: depth {depth}")
        for depth in TABLE2_DEPTHS
    }
    settings = {
        "measured on": f"{len(inputs)} inputs of {d_in} features, {d_out} outputs, batches of 250",
        "values": f"median of {initializations} initializations; {batches} batches per Jacobian norm; seed {seed}; "
        "the same initial weights in all columns of a row of table 1",
        "networks of table 1": "batch norm before every activation, orthogonal initialization, zero biases; "
        f"about {PARAMETERS:,} parameters: width {width_for(PARAMETERS, 2, d_in, d_out)} at depth 2, "
        f"{width_for(PARAMETERS, 49, d_in, d_out)} at depth 49",
        "networks of table 2": "batch norm before every ReLU, independent Gaussian weights of variance 2 / fan-in, "
        f"zero biases; width {TABLE2_WIDTH}",
    }
    return {"table1": dict(sorted(rows.items())), "table2": table2, "settings": settings}


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
    parser = argparse.ArgumentParser(prog="python -m distnlc.studies.nlc_tables", description=__doc__.split("\n")[0])
    parser.add_argument("--data", choices=("cifar10", "mnist", "gaussian"), default="gaussian")
    parser.add_argument("--root", help="folder with the image files; not needed where the study's data are found")
    parser.add_argument("--points", type=int, default=5_000, help="inputs that the networks are measured on")
    parser.add_argument("--batches", type=int, default=10, help="of 250, per Jacobian norm")
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
    measured = measure_tables(
        inputs,
        d_out,
        batches=arguments.batches,
        initializations=arguments.initializations,
        seed=arguments.seed,
    )
    measured["settings"] = {"data": described} | measured["settings"]
    arguments.out.write_text(json.dumps(measured, indent=2, allow_nan=False) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
