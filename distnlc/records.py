"""The rows of every table as plain dataclasses, one field per stored column.

Errors are fractions in [0, 1]. A quantity that was not measured, or that a failed unit never reached, is None.
`unit_id` is the key that joins the tables; `architecture_id` names the network at initialization, so that the SGD
and the Adam unit of one architecture share it. Changing a field means raising SCHEMA_VERSION.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SCHEMA_VERSION = 2

OK, DIVERGED, PRUNED, SKIPPED, FAILED = "ok", "diverged", "pruned", "skipped", "failed"
"""a run: ok, diverged (its loss was never finite) or pruned (it left its population at a rung);
a unit: ok, skipped (measured, and not trained because of the study's `train_if`) or failed"""

Records = Mapping[str, Sequence[Any]]
"""What one unit gives: table name -> rows. The first table of a study kind holds exactly one row per unit."""


@dataclass(frozen=True, kw_only=True)
class ArchitectureRow:
    """One architecture: what was drawn, measured before training, chosen by the sweep, measured after."""

    # identity
    unit_id: str
    architecture_id: str
    part: str
    index: int
    initialization: int = 0
    """which of the architecture's initial weights, where a study has several"""
    dataset: str
    train_points: int | None = None
    """of the training part"""
    optimizer: str
    criterion: str
    # what was drawn (section C)
    seed: int
    d_in: int
    d_out: int
    depth: int
    width: int
    parameters: int
    activation: str
    dilation: float
    shift: float
    debiased: bool
    bias_variance: float
    initial_scale: float
    normalization: str
    skip_strength: float
    skip_start: str
    # status
    status: str
    reason: str | None = None
    attempts: int = 1
    seconds: float
    device: str | None = None
    """the processor that did the unit"""
    # initial network
    init_nlc: float | None = None
    init_bias: float | None = None
    init_loss_scale: float | None = None
    init_jacobian_norm: float | None = None
    init_gradient_component: float | None = None
    init_gradient_length: float | None = None
    init_lipschitz: float | None = None
    init_input_cosine: float | None = None
    init_output_cosine: float | None = None
    init_relative_diameter: float | None = None
    activation_nlc: float | None = None
    activation_linear_error: float | None = None
    # wall time of the initial measurements; the NLC takes the Jacobian norm's and the outputs'
    jacobian_seconds: float | None = None
    outputs_seconds: float | None = None
    """of the outputs' moments, which give the bias"""
    gradients_seconds: float | None = None
    cosines_seconds: float | None = None
    lipschitz_seconds: float | None = None
    diameter_seconds: float | None = None
    # sweep
    smallest_rate: float | None = None
    runs: int | None = None
    diverged_runs: int | None = None
    epochs: int | None = None
    best_run: int | None = None
    best_rate: float | None = None
    best_at_edge: bool | None = None
    val_error: float | None = None
    test_error: float | None = None
    train_error: float | None = None
    # trained network
    trained_nlc: float | None = None
    trained_nlc_test: float | None = None
    trained_bias: float | None = None
    trained_perturbation: float | None = None


@dataclass(frozen=True, kw_only=True)
class RunRow:
    """One training at one starting rate; errors are those of the state with the lowest error of the criterion."""

    unit_id: str
    architecture_id: str
    run: int
    """index of the starting rate in the geometric series, 0 = the smallest"""
    start_rate: float
    status: str
    epochs: int
    best_epoch: int
    divisions: int
    """how often the rate was divided"""
    diverged_epochs: int
    """epochs that ended with a loss that is not finite, each followed by a rewind at once"""
    val_error: float | None
    test_error: float | None
    train_error: float | None


@dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one run. `train_loss` is the mean over the epoch's minibatches, nan once it is not finite."""

    unit_id: str
    architecture_id: str
    run: int
    epoch: int
    rate: float
    train_loss: float
    val_error: float | None
    train_error: float | None
    """measured only where it is the criterion"""


@dataclass(frozen=True, kw_only=True)
class RehearsalRow:
    """One unit of a rehearsal: a number that depends on the spec alone, and where it was worked on."""

    unit_id: str
    index: int
    status: str
    reason: str | None = None
    attempts: int = 1
    seconds: float
    value: float | None = None
    host: str | None = None
    process: int | None = None


@dataclass(frozen=True, kw_only=True)
class View:
    """What people are shown of one finished unit, in plain data; a study kind makes it from the unit's records."""

    name: str
    params: Mapping[str, str | int | float | bool]
    metrics: Mapping[str, float]
    """finite numbers only, at most about 40"""
    curves: Mapping[str, Sequence[tuple[int, float]]]
    """name -> (step, finite value) points; names with the same part before a slash are shown together"""
    tags: Mapping[str, str]
    table: Sequence[str] = ()
    """the params and metrics that a table of all units shows first, sorted by the first of them, a metric"""
    note: str = ""
    """what the curves are, in Markdown"""
