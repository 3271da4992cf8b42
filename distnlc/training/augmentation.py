"""Random views of images, another one each time that an image is presented (sections E.3, A.5.3 and A.5.4 of the study
of sensitivity).

In: the shape of an image and a name. Out: the indices of the pixels of every view there is, so that augmenting is
gathering, and which view each presentation shows: fixed by the run's seed, the epoch and the point's place in it, as
the order of the points is. Views are equally likely.

    shift-flip         moved by -4 ... 4 pixels along each axis, with wrap-around, and mirrored or not
    shift-flip-rotate  turned by -90, 0 or 90 degrees, then flipped along each axis or not, then moved likewise
    crop-flip          moved like shift-flip, with zeros in place of what would wrap around, and mirrored or not
"""

from functools import lru_cache
from itertools import product

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from distnlc.spec import derive_seed

SHIFTS = range(-4, 5)
"""pixels"""
MIRRORED: list[list[int]] = [[], [-1]]
FLIPS = {"shift-flip": MIRRORED, "shift-flip-rotate": [*MIRRORED, [-2], [-2, -1]], "crop-flip": MIRRORED}
"""axes of an image (..., height, width) that are flipped together"""
TURNS = {"shift-flip": [0], "shift-flip-rotate": [-1, 0, 1], "crop-flip": [0]}
"""quarters of a turn"""
BLANKS = ("crop-flip",)
"""views that show zeros, whose index is that of an entry behind the image"""


@lru_cache(maxsize=4)
def view_indices(name: str, shape: tuple[int, ...]) -> Tensor:
    """(views, d_in) int64: the indices of the entries of an image that a view consists of. Raises ValueError for points
    that are no images (..., height, width), and for images that are not square where they are turned."""
    if len(shape) < 2:
        raise ValueError(f"augmentation is for images (..., height, width), found points of {shown(shape)}")
    if TURNS[name] != [0] and shape[-1] != shape[-2]:
        raise ValueError(f"{name} turns images, which must be square, found {shown(shape)}")
    image = torch.arange(int(np.prod(shape))).view(shape)
    if name in BLANKS:
        most, (height, width) = max(SHIFTS), shape[-2:]
        padded = functional.pad(image, [most] * 4, value=image.numel())
        crops = product(FLIPS[name], range(len(SHIFTS)), range(len(SHIFTS)))
        cut = [padded[..., top : top + height, left : left + width].flip(flip).flatten() for flip, top, left in crops]
        return torch.stack(cut)
    views = [
        torch.rot90(image, turn, (-2, -1)).flip(flip).roll((down, right), (-2, -1)).flatten()
        for turn, flip, down, right in product(TURNS[name], FLIPS[name], SHIFTS, SHIFTS)
    ]
    return torch.stack(views)


def shown(shape: tuple[int, ...]) -> str:
    """A shape for people."""
    return " x ".join(map(str, shape))


@lru_cache(maxsize=32)
def views_of_epoch(views: int, points: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """The view that each presentation of an epoch shows, (points,)."""
    return np.random.default_rng(derive_seed("augmentation", seed, epoch)).integers(views, size=points)


def augmented(inputs: Tensor, views: Tensor, chosen: Tensor, *, blank: bool = False) -> Tensor:
    """Images (..., d_in), each as the view (...,) that is chosen for it. blank: whether views show zeros."""
    inputs = functional.pad(inputs, (0, 1)) if blank else inputs
    return inputs.gather(-1, views[chosen])
