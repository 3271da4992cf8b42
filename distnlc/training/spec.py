"""How one run is trained, and which runs are trained together."""

from itertools import pairwise
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from distnlc.spec import NonNegativeInt, PositiveFloat, PositiveInt, SpecModel

OptimizerName = Literal["sgd", "momentum", "adam", "adam-tf1", "rmsprop-tf1"]
LossName = Literal["cross-entropy", "squared-error"]
Augmentation = Literal["none", "shift-flip", "shift-flip-rotate", "crop-flip"]
Fraction = Annotated[float, Field(ge=0, lt=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class StepSpec(SpecModel):
    """One update: what every program must know."""

    optimizer: OptimizerName = "sgd"
    """optimizers.py says what each computes; the last two are TensorFlow 1's"""
    momentum: Fraction = 0.9
    """of the optimizer `momentum`"""
    weight_decay: Weight = 0.0
    """times half the squared length of all weights and biases, added to the loss"""
    loss: LossName = "cross-entropy"
    batch_size: PositiveInt = 250
    population: PositiveInt = 8
    """runs of neighbouring rates that are halved together at the search's rungs. On CPUs they are also what is trained
    together as one batched program, which belongs to the spec since kernels may round by batch size; on CUDA all runs
    of one wave of the search are one program, and each population in it is halved by itself"""


class StopSpec(SpecModel):
    """When a run is fitted, and ends."""

    stop_error: Annotated[float, Field(ge=0, le=1)] | None = None
    """a run ends at the first look that finds a training error of at most this"""
    stop_loss: PositiveFloat | None = None
    """and, where given, a mean training loss of at most this"""

    @model_validator(mode="after")
    def _loss_completes_the_error(self) -> Self:
        if self.stop_error is None and self.stop_loss is not None:
            raise ValueError("stop_loss needs stop_error, whose condition it completes")
        return self

    def fitted(self, errors: NDArray[np.float64], losses: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Whether training errors and mean training losses end a run; what is not a number does not."""
        if self.stop_error is None:
            return np.zeros(np.shape(errors), dtype=bool)
        below: NDArray[np.bool_] = np.asarray(errors) <= self.stop_error
        return below if self.stop_loss is None else below & (np.asarray(losses) <= self.stop_loss)


class TrainingSpec(StepSpec):
    """One run by the schedule of section E.2, which follows an error after each epoch."""

    criterion: Literal["validation-error", "training-error"] = "validation-error"
    """the classification error that patience, rewinding and the selection of the best run look at"""
    first_patience: PositiveInt = 10
    """epochs without a new lowest error before the first division of the rate"""
    patience: PositiveInt = 5
    """the same, from the first division on"""
    divisions: NonNegativeInt = 10
    divisor: Annotated[float, Field(gt=1, allow_inf_nan=False)] = 3.0
    rewind: bool = True
    """whether a run goes back to its state of lowest error when patience runs out, and ends there; else it goes on
    from where it is, and ends there"""
    epochs: PositiveInt | None = None
    """after which a run ends at the latest"""


class FixedSpec(StepSpec, StopSpec):
    """One run of a fixed number of updates, whose rate falls at stated epochs."""

    steps: PositiveInt
    """updates at most. The minibatches are cut from a stream of shuffled epochs, so that one may straddle two"""
    decay: PositiveFloat = 0.1
    """what the rate is multiplied by at each of `decay_epochs`"""
    decay_epochs: tuple[PositiveFloat, ...] = ()
    """at the first update that begins at or after so many epochs"""
    check_steps: PositiveInt | None = None
    """updates between two looks at the training error and loss; None: only after the last"""
    augmentation: Augmentation = "none"
    """of images, which `augmentation.py` explains; looks are at the images as they are"""

    @field_validator("decay_epochs")
    @classmethod
    def _decays_rise(cls, epochs: tuple[float, ...]) -> tuple[float, ...]:
        if any(later <= earlier for earlier, later in pairwise(epochs)):
            raise ValueError("epochs must rise, such as [25, 40]")
        return epochs

    @model_validator(mode="after")
    def _stops_are_looked_for(self) -> Self:
        if self.stop_error is not None and self.check_steps is None:
            raise ValueError("stop_error needs check_steps, the updates between two looks at it")
        return self


class EpochsSpec(StepSpec):
    """One run of whole epochs, the last minibatch of each as small as it comes."""

    epochs: PositiveInt
    drops: tuple[PositiveInt, ...] = ()
    """epochs after which the rate is divided by 10"""
    augmentation: Augmentation = "none"


class FullBatchSpec(StopSpec):
    """One run of L-BFGS on the whole training part (SciPy's L-BFGS-B with its defaults)."""

    loss: LossName = "cross-entropy"
    iterations: PositiveInt
    check_iterations: PositiveInt = 4
    """iterations between two looks at the training error and loss"""
