"""What a study of sensitivity trains and measures: every part is one design of networks on one data set."""

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from distnlc.data.catalog import built_in
from distnlc.data.sources import known_sizes
from distnlc.data.spec import DataSpec
from distnlc.spec import NonNegativeInt, PositiveFloat, PositiveInt, SpecModel, StudySpec, identity

Activation = Literal["relu", "relu6", "tanh", "hardtanh", "hardsigmoid"]
Optimizer = Literal["sgd", "momentum", "adam", "rmsprop", "lbfgs"]
Factor = Literal["labels", "augmentation", "activation", "optimizer"]
Augmentation = Literal["none", "shift-flip", "shift-flip-rotate"]
Fraction = Annotated[float, Field(ge=0, le=1)]
LBFGS: Literal["lbfgs"] = "lbfgs"
MOMENTUM: Literal["momentum"] = "momentum"
FILE = 50_000
"""images of the training file that the paper uses of every data set: the first ones, where all of them are used"""


def not_empty(values: tuple[Any, ...]) -> tuple[Any, ...]:
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
        return not_empty(values)


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
        return not_empty(values)

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
    """exact for piecewise linear networks; those of tanh are sampled in any case"""
    samples_per_shift: PositiveInt = 32
    """points of a sampled trajectory from one pixel to the next"""
    points: NonNegativeInt = 0
    """single points whose loss and Jacobian are kept"""
    ellipses: NonNegativeInt = 0
    """of each kind: random, through training points of three classes, and of one"""
    ellipse_bins: Annotated[int, Field(ge=6, multiple_of=6)] = 96
    """of the angle, centred at 2 pi j / bins, so that the anchors are centres"""
    ellipse_samples: PositiveInt = 96
    """points of a bin between which transitions are counted"""
    planes: NonNegativeInt = 0
    """through three training points, whose boundaries are mapped before and after training"""
    grid: Annotated[int, Field(ge=32, le=4096)] = 256
    """pixels along a side of a map"""
    initial: bool = True
    """whether probability Jacobian and transitions of the untrained network are measured too"""


class Spec(StudySpec):
    """Sensitivity and generalization (Novak, Bahri, Abolafia, Pennington, Sohl-Dickstein 2018).

    A unit is one trained network.
    """

    kind: Literal["sensitivity"]
    data: DataSpec = DataSpec(name="mnist", train=FILE, test=10_000)
    """every point is put on the sphere unless a preparation is named; there is no validation part"""
    networks: Networks = Networks()
    training: Training = Training()
    measure: Measure = Measure()

    @model_validator(mode="after")
    def _design_can_be_trained(self) -> Self:
        optimizers, twins = self.training.rates, self.networks.twins
        if self.data.labels != "true":
            raise ValueError("data.labels: in this study labels are random by training.labels, for each seed others")
        if "optimizer" in twins and MOMENTUM not in optimizers:
            raise ValueError(
                "networks.twins: the factor optimizer compares momentum with lbfgs, but training.optimizers has only "
                f"{', '.join(optimizers)}"
            )
        for factor, settings in (("labels", self.training.labels != "true"), ("augmentation", self.augmented)):
            if factor in twins and settings:
                raise ValueError(
                    f"networks.twins: the factor {factor} trains both settings, so training.{factor} must be left at "
                    f"its default, but is {getattr(self.training, factor)}"
                )
        if "activation" in twins and not {"relu", "hardsigmoid"} & set(self.networks.activations):
            raise ValueError(
                "networks.twins: the factor activation compares relu with hardsigmoid, but networks.activations has "
                f"only {', '.join(self.networks.activations)}"
            )
        train = known_sizes(self.data_spec)[0]
        if train is not None and (large := [size for size in self.training.batches if size > train]):
            raise ValueError(f"training.batches: {large[0]} points are more than data.train = {train}")
        return self

    @property
    def augmented(self) -> bool:
        """Whether all networks are trained with augmentation."""
        return self.training.augmentation != "none"

    @property
    def data_spec(self) -> DataSpec:
        """The part's data with what this study says of it: on the sphere, no validation part, of the image files the
        first 50,000 where all of those are used."""
        known = built_in(self.data.name)
        files = known is not None and known.source.files is not None and known.stated is not None
        images = files and known is not None and known.stated is not None and len(known.stated.shape) == 3
        train = self.data.train or (FILE if images else None)
        found = {"preparation": self.data.preparation or "sphere", "validation": 0, "train": train}
        if images and train == FILE:
            found["first"] = FILE
        return self.data.model_copy(update=found)

    def unit_identity(self) -> dict[str, Any]:
        """What tells parts apart, whatever the number of their networks."""
        counts = {name: Networks.model_fields[name].default for name in ("seeds", "draw")}
        return identity(self.model_copy(update={"networks": self.networks.model_copy(update=counts)}))
