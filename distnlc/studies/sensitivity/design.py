"""The sections of a part's spec: which networks, how they are trained, what is measured of them."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from distnlc.spec import NonNegativeInt, PositiveFloat, PositiveInt, SpecModel

Activation = Literal["relu", "relu6", "tanh", "hardtanh", "hardsigmoid"]
Optimizer = Literal["sgd", "momentum", "adam", "rmsprop", "lbfgs"]
Factor = Literal["labels", "augmentation", "activation", "optimizer"]
Augmentation = Literal["none", "shift-flip", "shift-flip-rotate"]
Fraction = Annotated[float, Field(ge=0, le=1)]
LBFGS: Literal["lbfgs"] = "lbfgs"
MOMENTUM: Literal["momentum"] = "momentum"


def _not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
    """The values. Raises ValueError if there are none."""
    if not values:
        raise ValueError("expected at least one value")
    return values


class Networks(SpecModel):
    """Which networks: a grid of all lists and of the optimizers, or so many cells that are drawn from it."""

    activations: tuple[Activation, ...] = ("relu",)
    widths: tuple[PositiveInt, ...] = (200,)
    """neurons of every hidden layer"""
    depths: tuple[Annotated[int, Field(ge=2, le=10_000)], ...] = (3,)
    """weight matrices; there are no biases"""
    scales: tuple[PositiveFloat, ...] = (1.0,)
    """times the default standard deviation of initial weights; a value that is given twice is drawn twice as often"""
    seeds: PositiveInt = 8
    """networks of every cell, with seeds 1, 2, ..."""
    draw: PositiveInt | None = None
    """so many different cells, drawn with a weight of 1 / sqrt(weights of the network); null: all"""
    twins: tuple[Factor, ...] = ()
    """factors in both of whose settings every cell is trained: `labels` true and random, `augmentation` without and
    with, `activation` relu and hardsigmoid, `optimizer` momentum and lbfgs; one factor is changed at a time"""

    @field_validator("activations", "widths", "depths", "scales")
    @classmethod
    def _there_is_one(cls, values: tuple[Any, ...]) -> tuple[Any, ...]:
        return _not_empty(values)


class Training(SpecModel):
    """How they are trained."""

    optimizers: dict[Optimizer, tuple[PositiveFloat, ...]] = Field(default_factory=dict)
    """name -> first learning rates, none for lbfgs; left out: momentum at 0.005. A part adds to what the study has.
    adam and rmsprop are TensorFlow 1's"""
    batches: tuple[PositiveInt, ...] = (256,)
    """points of a minibatch; lbfgs takes all"""
    steps: PositiveInt = 2**18
    """updates at most"""
    epochs: PositiveInt | None = None
    """at most"""
    iterations: PositiveInt = 2684
    """of lbfgs at most"""
    stop: Literal["steps", "fitted"] = "steps"
    """fitted: at the first look that finds a network fitted, but for augmented ones, which have all their steps"""
    fit_accuracy: Fraction = 1.0
    """training accuracy from which a network counts as fitted"""
    fit_loss: PositiveFloat | None = None
    """and the mean training loss up to which; null: whatever it is"""
    check_epochs: PositiveFloat = 3.0
    """epochs between two looks, where networks stop when fitted; else there are a hundred looks"""
    decay_epochs: PositiveFloat | None = 500.0
    """epochs between two falls of the rate; null: it does not fall"""
    decay: PositiveFloat = 0.1
    """what the rate is multiplied by"""
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    loss: Literal["cross-entropy", "l2"] = "cross-entropy"
    """l2: between probabilities and one-hot labels, summed over classes"""
    labels: Literal["true", "random"] = "true"
    """random: training labels are random classes, fixed by the seed"""
    augmentation: Augmentation = "none"
    """shift-flip: every image that is trained on is moved by up to 4 pixels along each axis, with wrap-around, and half
    of them are mirrored; shift-flip-rotate: flipped along each axis and turned by -90, 0 or 90 degrees too"""

    @field_validator("labels", mode="before")
    @classmethod
    def _true_is_a_word_here(cls, value: Any) -> Any:
        return "true" if value is True else value  # as YAML reads it

    @field_validator("batches")
    @classmethod
    def _there_is_one(cls, values: tuple[int, ...]) -> tuple[int, ...]:
        return _not_empty(values)

    @field_validator("optimizers")
    @classmethod
    def _rates_are_where_they_belong(
        cls, optimizers: dict[Optimizer, tuple[float, ...]]
    ) -> dict[Optimizer, tuple[float, ...]]:
        for name, rates in optimizers.items():
            if bool(rates) == (name == LBFGS):
                raise ValueError(
                    f"{name} needs {'no learning rates, []' if name == LBFGS else 'learning rates, such as [0.005]'}"
                )
        return optimizers

    @property
    def rates(self) -> dict[Optimizer, tuple[float, ...]]:
        """Optimizer -> first learning rates."""
        return self.optimizers or {MOMENTUM: (0.005,)}


class Measure(SpecModel):
    """What is measured of a trained network, on test points unless said otherwise."""

    jacobian_points: PositiveInt = 10_000
    """of the mean probability Jacobian; all, where there are fewer"""
    trajectories: NonNegativeInt = 1_000
    """images whose translations the mean of transitions is over; 0: transitions are not counted"""
    transitions: Literal["exact", "sampled"] = "exact"
    """exact for piecewise linear networks; tanh is sampled in any case where there is more than one hidden layer"""
    samples_per_shift: PositiveInt = 32
    """points of a sampled trajectory from one pixel to the next"""
    points: NonNegativeInt = 0
    """single points whose loss and Jacobian are kept"""
    ellipses: NonNegativeInt = 0
    """of each kind: random, through training points of three classes, and of one"""
    ellipse_bins: Annotated[int, Field(ge=6, multiple_of=6)] = 96
    """of the angle, centred at 2 pi j / bins, so that the anchors are centres"""
    ellipse_samples: Annotated[int, Field(ge=2, multiple_of=2)] = 96
    """points of a bin between which transitions are counted"""
    planes: NonNegativeInt = 0
    """through three training points, whose boundaries are mapped before and after training"""
    grid: Annotated[int, Field(ge=32, le=4096)] = 256
    """pixels along a side of a map"""
    initial: bool = True
    """whether probability Jacobian and transitions of the untrained network are measured too"""
