"""What a study of networks at initialization computes: every part is one experiment."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from distnlc.data.spec import DataSpec
from distnlc.metrics.spec import MetricsSpec
from distnlc.spec import PositiveFloat, PositiveInt, StudySpec, identity

Activation = Literal["relu", "selu", "tanh", "sigmoid", "even-tanh", "gaussian", "square", "odd-square"]
Filled = Field(min_length=1)


class Spec(StudySpec):
    """Networks at initialization: tables 1 and 2 of the NLC paper, its sphere pictures, and its confounders.

    Every part is one experiment, with a unit for each combination of the fields that units.py names.
    """

    kind: Literal["nlc-initial"]
    experiment: Literal[
        "activations",
        "orthogonal-networks",
        "without-activation",
        "gaussian-networks",
        "changes",
        "width",
        "sines",
        "spheres",
        "he-networks",
        "precision",
    ] = "activations"
    """activations: functions alone, by quadrature; orthogonal-networks: with batch norm, initialized as the study's
    (table 1); without-activation: the same of depth 2, had they no activation function; gaussian-networks: batch-norm
    ReLU networks with Gaussian weights (table 2); changes: drawn architectures before and after each confounder; width:
    the same before and after their width is doubled; sines: networks whose activation function is 1 + sin(k s) / k;
    spheres: pictures of gaussian-networks, depth 1 being the key to their colours; he-networks: ReLU networks without
    normalization, as He et al. initialize them; precision: drawn architectures in 64 and in 32 bits"""
    inputs: Literal["data", "isotropic", "gaussian"] = "data"
    """data: the training part; isotropic: Gaussian with as many features as the data have; gaussian: Gaussian with as
    many features as the paper's CIFAR10 has, which needs no files"""
    data: DataSpec = DataSpec()
    points: PositiveInt = 40_000
    """the first so many inputs are used"""
    metrics: MetricsSpec = MetricsSpec()
    initializations: PositiveInt = 10
    activations: Annotated[tuple[Activation, ...], Filled] = (
        "relu",
        "selu",
        "tanh",
        "sigmoid",
        "even-tanh",
        "gaussian",
        "square",
        "odd-square",
    )
    depths: Annotated[tuple[PositiveInt, ...], Filled] = (2,)
    width_factors: Annotated[tuple[PositiveFloat, ...], Filled] = (1.0,)
    """times the width that gives so many parameters; he-networks: times 100"""
    parameters: Annotated[int, Field(ge=100)] = 1_000_000
    architectures: PositiveInt = 24
    """drawn by the scheme of the NLC study"""
    frequencies: Annotated[tuple[PositiveInt, ...], Filled] = (1, 10, 100, 1000)
    """k of the sines"""
    pixels: PositiveInt = 160
    """of each picture's side"""

    @model_validator(mode="after")
    def _experiment_can_be_done(self) -> Self:
        if self.experiment in {"changes", "width", "sines", "he-networks"} and self.inputs != "data":
            raise ValueError(
                f"the experiment {self.experiment} needs labels, so inputs must be data, not {self.inputs}"
            )
        if self.metrics.groups:
            raise ValueError(
                f"metrics.groups is measured by the kind nlc alone, but it names {', '.join(self.metrics.groups)}"
            )
        if self.metrics.extra:
            names = ", ".join(metric.name for metric in self.metrics.extra)
            raise ValueError(f"metrics.extra is measured by the kind nlc alone, but it names {names}")
        if self.experiment != "spheres" and min(self.depths) < 2:
            raise ValueError("depths must be at least 2 (spheres: 1 is the key to the colours)")
        return self

    def unit_identity(self) -> dict[str, Any]:
        """More initializations rename no unit."""
        return identity(self.model_copy(update={"initializations": type(self).model_fields["initializations"].default}))
