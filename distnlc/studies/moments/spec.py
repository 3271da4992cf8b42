"""What a study of moments computes: every part is one sort of random network, simulated many times."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from distnlc.data.catalog import built_in
from distnlc.data.sources import known_sizes, preparation_of
from distnlc.data.spec import DataSpec
from distnlc.spec import PositiveInt, StudySpec

RAW = "raw"
"""the preparation that leaves images as they are"""
BRANCH = 2
"""layers of a residual unit's branch"""
FEWEST_POSITIONS = 3
"""along either side of an image, where the kernel is 3"""


class Spec(StudySpec):
    """Signal and noise through random ReLU networks, layer by layer (Labatie 2019).

    A simulation is one draw of images, noise and weights; a unit is a block of simulations of one part.
    """

    kind: Literal["moments"]
    net: Literal["vanilla", "bn_ff", "bn_res"] = "vanilla"
    """vanilla: convolution, ReLU; bn_ff: convolution, batch norm, ReLU; bn_res: residual units, whose branch is twice
    batch norm, ReLU, convolution"""
    kernel: Literal[1, 3] = 1
    """side of the convolutions' kernels; 1: fully connected, on images that are flattened"""
    width: Annotated[int, Field(ge=2, le=2**16)] = 512
    """feature maps of every layer"""
    depth: PositiveInt = 200
    """layers, or residual units"""
    batch: Annotated[int, Field(ge=2, lt=2**31)] = 64
    """images of a simulation"""
    boundary: Literal["periodic", "symmetric", "zero"] = "periodic"
    """how images go on beyond their edge"""
    epsilon: Annotated[float, Field(ge=0, le=1)] = 0.001
    """what batch norm adds to variances"""
    data: DataSpec = DataSpec(name="gaussian-images")
    """images as they are, unless a preparation is named: every batch is normalized by its own statistics"""
    simulations: PositiveInt = 200
    measure_every: PositiveInt = 2
    """layers or residual units"""
    block: PositiveInt = 10
    """simulations of a unit; those of another block size are the same"""
    dtype: Literal["float32", "float64"] = "float32"

    @model_validator(mode="after")
    def _can_be_simulated(self) -> Self:
        if self.depth % self.measure_every:
            raise ValueError(
                f"depth = {self.depth} is not a multiple of measure_every = {self.measure_every}, so the last layer "
                "would not be measured"
            )
        images = known_sizes(self.data)[0]
        if images is not None:
            check_batch(self, images)
        shape = image_shape(self.data)
        if shape is not None:
            check_positions(self, shape)
        return self


def image_shape(data: DataSpec) -> tuple[int, ...] | None:
    """The shape of an image, (channels, height, width), None where only the files tell."""
    known = built_in(data.name)
    shape = data.shape or (known.stated.shape if known and known.stated else None)
    return (*shape[:-2], data.crop, data.crop) if shape and data.crop else shape


def images_of(part: Spec) -> DataSpec:
    """The part's dataset, with its images as they are unless a preparation is named: a dataset's own is for training
    and may project them."""
    if part.data.preparation is None and preparation_of(part.data).name != RAW:
        return part.data.model_copy(update={"preparation": RAW})
    return part.data


def check_batch(part: Spec, images: int) -> None:
    """Raises ValueError if a batch needs more images than there are."""
    if part.batch > images:
        raise ValueError(
            f"batch = {part.batch} is larger than the dataset, of which data.train = {images} images are used"
        )


def check_positions(part: Spec, shape: tuple[int, ...]) -> None:
    """Raises ValueError if a kernel of 3 has no room on images of that shape, once the first layer halved them."""
    if part.kernel == 1:
        return
    if len(shape) != 3 or shape[1] != shape[2]:
        found = " x ".join(map(str, shape))
        raise ValueError(f"kernel = 3 needs square images (channels, side, side), but {part.data.name} has {found}")
    side = positions(part, shape)
    if side < FEWEST_POSITIONS:
        raise ValueError(
            f"kernel = 3 needs at least {FEWEST_POSITIONS} x {FEWEST_POSITIONS} positions, but the first layer leaves "
            f"{side} x {side} of {part.data.name}'s images of {shape[1]} x {shape[2]}"
        )


def positions(part: Spec, shape: tuple[int, ...]) -> int:
    """Positions along a side of every layer: the first layer of a convolutional network halves the image."""
    return 1 if part.kernel == 1 else (shape[-1] + 1) // 2
