"""How one run is trained, and which runs are trained together."""

from typing import Annotated, Literal

from pydantic import Field

from distnlc.spec import NonNegativeInt, PositiveInt, SpecModel


class TrainingSpec(SpecModel):
    """One run: the schedule of section E.2 and which runs are trained together."""

    optimizer: Literal["sgd", "adam"] = "sgd"
    criterion: Literal["validation-error", "training-error"] = "validation-error"
    """the classification error that patience, rewinding and the selection of the best run look at"""
    batch_size: PositiveInt = 250
    first_patience: PositiveInt = 10
    """epochs without a new lowest error before the first division of the rate"""
    patience: PositiveInt = 5
    """the same, from the first division on"""
    divisions: NonNegativeInt = 10
    divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    population: PositiveInt = 8
    """runs trained together as one batched program; part of the spec, since kernels round by batch size"""
