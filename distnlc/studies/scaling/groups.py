"""The sections of a part's spec, one for each experiment; the defaults are the paper's sizes (additions, part b)."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from distnlc.spec import PositiveFloat, PositiveInt, SpecModel

Init = Literal["geometric", "fan-in", "fan-out", "arithmetic"]
Variant = Literal["equal", "widen-pool", "widen-subsample"]
Scheme = Literal["scaled", "unscaled"]
CIFAR10_TRAIN = 50_000
LEAST_IMAGE = 13
"""pixels along a side, the fewest that the two convolutions of LeNet fit into"""
MOST_DIVISOR = 64
"""the largest of AlexNet, whose first layer has as many channels"""
SETS = tuple(
    "aloi acoustic cifar10 combined connect-4 dna glass iris letter mnist news20 pendigits poker protein satimage "
    "segment seismic shuttle smallNORB SVHN svmguide2 svmguide4 usps vehicle vowel wine".split()
)
"""multi-class sets of LibSVM's page whose sources the paper cites; which 26 it took is not known"""


def once(values: Sequence[Any]) -> Sequence[Any]:
    """The values. Raises ValueError for none, and for one that is there twice."""
    if not values:
        raise ValueError("expected at least one value")
    if twice := [value for place, value in enumerate(values) if value in values[:place]]:
        raise ValueError(f"{twice[0]} is there twice")
    return values


def _rising(exponents: tuple[int, int]) -> tuple[int, int]:
    if exponents[0] > exponents[1]:
        raise ValueError("expected the lowest exponent of 2 first")
    return exponents


def _rising_epochs(epochs: tuple[int, ...]) -> tuple[int, ...]:
    if list(epochs) != sorted(set(epochs)):
        raise ValueError("expected rising epochs")
    return epochs


Once = AfterValidator(once)
Exponent = Annotated[int, Field(ge=-40, le=40)]
Exponents = Annotated[tuple[Exponent, Exponent], AfterValidator(_rising)]
"""of 2: the lowest and the highest learning rate, and all between them"""
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Drops = Annotated[tuple[PositiveInt, ...], AfterValidator(_rising_epochs)]
"""epochs after which the rate is divided by 10"""


class Operations(SpecModel):
    """Table 1: which operations keep s."""

    draws: PositiveInt = 200
    """of weights, inputs and gradients, for each operation"""
    batch: PositiveInt = 16
    """datapoints of a draw"""


class Ratio(SpecModel):
    """Figure 1: gamma beside the Hessian of a strided LeNet with a random quadratic loss."""

    setups: PositiveInt = 100
    """networks, each with weights, inputs and a loss of its own"""
    samples: PositiveInt = 1024
    image: Annotated[int, Field(ge=LEAST_IMAGE, le=1024)] = 32
    """pixels along a side"""
    classes: Annotated[int, Field(ge=2, le=1000)] = 10


class Blocks(SpecModel):
    """Figure 2: all blocks of that Hessian; LeNet without biases on 32 x 32 images, ten outputs."""

    setups: PositiveInt = 100
    samples: PositiveInt = 64


class LibSvm(SpecModel):
    """The paper's table of section 9: networks trained on sets of LibSVM's page."""

    sets: Annotated[tuple[Annotated[str, Field(min_length=1)], ...], Once] = SETS
    points: PositiveInt | None = None
    """at most so many training points, drawn by the seed; null: all"""
    seeds: PositiveInt = 10
    epochs: PositiveInt = 5
    batch_size: PositiveInt = 128
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (384, 64)
    """widths of the hidden layers"""
    biases: bool = True
    """trained, 0 in the beginning"""
    rates: Exponents = (-12, 6)
    output_std: PositiveFloat = 0.05
    """standard deviation of the initial logits of the first minibatch, set by a fixed factor"""
    weight_decay: NotNegative = 1e-5
    momentum: Momentum = 0.0


class AlexNet(SpecModel):
    """Figure 3: AlexNet on CIFAR10, pooling folded into strides."""

    divisor: Annotated[int, Field(ge=1, le=MOST_DIVISOR)] = 1
    """of the channels 64-192-384-256-256, rounded down"""
    points: Annotated[int, Field(ge=1, le=CIFAR10_TRAIN)] | None = None
    """training images, drawn by the seed; null: all"""
    augment: bool = True
    """crop after padding by 4 pixels, and mirror"""
    seeds: PositiveInt = 40
    epochs: PositiveInt = 50
    batch_size: PositiveInt = 128
    rates: Exponents = (-12, 1)
    output_std: PositiveFloat = 0.05
    weight_decay: NotNegative = 5e-4
    momentum: Momentum = 0.9
    drops: Drops = (25, 40)


class ResidualNets(SpecModel):
    """The paper's section 11 at initialization: pre-activation bottlenecks, measured."""

    setups: PositiveInt = 200
    samples: PositiveInt = 8
    size: Annotated[int, Field(ge=4, le=1024)] = 16
    """pixels along a side"""
    width: PositiveInt = 64
    """channels outside the branches, of the first stage where they widen"""
    inner: PositiveInt = 32
    """channels of the 3 x 3 convolutions there"""
    blocks: PositiveInt = 16
    variants: Annotated[tuple[Variant, ...], Once] = ("equal", "widen-pool", "widen-subsample")
    """equal: one width; widen: three stages, each of twice the channels and half the size of the one before, behind
    an average pool in the shortcut or behind a subsampling"""

    @model_validator(mode="after")
    def _images_can_be_halved(self) -> Self:
        if self.size % 4 and (widening := [each for each in self.variants if each != "equal"]):
            raise ValueError(
                f"residual.size = {self.size}: {widening[0]} halves images twice, so expected 4, 8, 12, ..."
            )
        return self


class ResNet(SpecModel):
    """The paper's section 11 in miniature: a bottleneck network trained on CIFAR10 in place of ImageNet."""

    seeds: PositiveInt = 5
    epochs: PositiveInt = 30
    rate: PositiveFloat = 0.1
    batch_size: PositiveInt = 256
    momentum: Momentum = 0.9
    weight_decay: NotNegative = 1e-4
    drops: Drops = (10, 20)
    output_scalar: PositiveFloat = 0.05
    """the last fixed factor"""
    points: Annotated[int, Field(ge=1, le=CIFAR10_TRAIN)] | None = None
    augment: bool = True
    width: PositiveInt = 64
    inner: PositiveInt = 32
    blocks: PositiveInt = 16
    schemes: Annotated[tuple[Scheme, ...], Once] = ("scaled", "unscaled")
    """RescaleNet's alpha and beta, with the paper's scaling of blocks or without"""
