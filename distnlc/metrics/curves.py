"""Trajectories through the space of inputs: translations of images, ellipses, planes (sections 2 and 3 of the study).

In: inputs of any shape (d_in...). Out: points along closed curves and on planes, in the inputs' type. Points are used
as they are: an ellipse through three datapoints stays near their sphere by itself (section A.4 of the additions).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import linear

from distnlc.metrics.measurable import shown

Curve = Callable[[int], Tensor]
"""k -> points (k, d_in...) on a closed curve, at the angles 2 pi i / k"""

ANCHOR_ANGLES = (math.pi / 3, math.pi, 5 * math.pi / 3)
"""where an ellipse passes through its three points"""
ANCHOR_RADIUS = 0.8
"""the points' distance from the middle of a plane's square [-1, 1]^2"""


@dataclass(frozen=True)
class Ellipse:
    """`center + cosine cos t + sine sin t`; three tensors (d_in...)."""

    center: Tensor
    cosine: Tensor
    sine: Tensor

    def __call__(self, points: int) -> Tensor:
        """So many points (points, d_in...) at equal steps of the angle, from angle 0 on."""
        return self.at(equal_angles(points).to(self.center))

    def at(self, angles: Tensor) -> Tensor:
        """The points (k, d_in...) at angles (k,), in radians."""
        angles = angles.to(self.center.device, torch.float64)
        return self._combined(angles.cos(), angles.sin())

    def norm(self, angles: Tensor) -> Tensor:
        """Their distances from the origin, (k,)."""
        return self.at(angles).flatten(1).norm(dim=1)

    def plane(self, across: Tensor, along: Tensor) -> Tensor:
        """The points (k, d_in...) of the ellipse's plane at coordinates (k,) in [-1, 1]; the datapoints that the
        ellipse passes through have the distance 0.8 from the middle and the angles pi/3, pi and 5 pi/3."""
        return self._combined(across / ANCHOR_RADIUS, along / ANCHOR_RADIUS)

    def through(self, weight: Tensor, bias: Tensor | None) -> "Ellipse":
        """Its image under a linear layer, an ellipse again: three products for any number of points."""
        center, cosine, sine = (each.flatten().to(weight) for each in (self.center, self.cosine, self.sine))
        return Ellipse(linear(center, weight, bias), linear(cosine, weight), linear(sine, weight))

    def _combined(self, cosines: Tensor, sines: Tensor) -> Tensor:
        first, second = (each.to(self.center).reshape(-1, *[1] * self.center.ndim) for each in (cosines, sines))
        return self.center + first * self.cosine + second * self.sine


def equal_angles(points: int) -> Tensor:
    """2 pi i / points, float64."""
    return torch.arange(points, dtype=torch.float64) * (2 * math.pi / points)


def ellipse(points: Tensor) -> Ellipse:
    """The ellipse through three points (3, d_in...), at the angles pi/3, pi and 5 pi/3: a circle if they are equally
    far apart. Raises ValueError for another number, for points that are not finite and for points on one line."""
    if not isinstance(points, Tensor) or not points.is_floating_point() or points.ndim < 2 or len(points) != 3:
        raise ValueError(
            f"an ellipse leads through three points, a floating-point tensor (3, d_in...), found {shown(points)}"
        )
    if not bool(points.isfinite().all()):
        raise ValueError("the three points of an ellipse must be finite, found nan or infinity")
    first, second, third = points
    center = points.mean(0)
    made = Ellipse(center, center - second, (first - third) / math.sqrt(3))
    axes = torch.stack([made.cosine.flatten(), made.sine.flatten()]).double()
    singular = torch.linalg.svdvals(axes)
    if not float(singular[1]) > 10 * torch.finfo(points.dtype).eps * float(singular[0]):
        raise ValueError("an ellipse needs three points that are not on one line; take three others")
    return made


def random_ellipse(d_in: int, seed: int) -> Ellipse:
    """`a cos t + b sin t` with a and b from N(0, I), float64 (d_in,): on average as far from the origin as normalized
    data. Raises ValueError for a dimension below 2."""
    if d_in < 2:
        raise ValueError(f"an ellipse needs at least 2 dimensions, found {d_in}")
    axes = torch.randn(2, d_in, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return Ellipse(torch.zeros(d_in, dtype=torch.float64), axes[0], axes[1])


def translations(images: Tensor, image_shape: tuple[int, ...] | None = None) -> Tensor:
    """Every image's horizontal translations by 0, 1, ... pixels, with wrap-around: (images, width, d_in...).

    images: (images, height, width) or with channels before, or of another shape such as rows of numbers, which
    `image_shape` then says how to read, its last axis the horizontal one. Raises ValueError for inputs that are no
    images, and for those less than 3 pixels wide, whose translations enclose nothing.
    """
    shape = tuple(images.shape[1:]) if image_shape is None else tuple(image_shape)
    if len(shape) < 2 or math.prod(shape) != math.prod(images.shape[1:]):
        raise ValueError(
            "translations are of images (points, height, width) or (points, channels, height, width), found "
            f"{shown(images)}"
            + (f" and image_shape={shape}" if image_shape else "; image_shape says how rows are read")
        )
    if shape[-1] < 3:
        raise ValueError(f"translations need images at least 3 pixels wide, found {shape[-1]}")
    pictures = images.reshape(len(images), *shape)
    shifted = torch.stack([pictures.roll(shift, -1) for shift in range(shape[-1])], 1)
    return shifted.reshape(len(images), shape[-1], *images.shape[1:])
