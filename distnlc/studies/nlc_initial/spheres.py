"""The pictures of table 2 (section A.2 of the NLC paper): what batch-norm ReLU networks make of a sphere of inputs.

A disc is the whole unit sphere in Lambert's azimuthal projection, which keeps areas: its centre is the point
(0, 0, 1), its rim the opposite one. So its pixels are spread evenly over the sphere, and all of them together are
the one batch whose statistics batch norm takes, on which the paper is silent.
"""

import torch
from torch import Tensor


def colour_key(points: Tensor) -> Tensor:
    """The outputs (points, 3) of a turn of the sphere (figure 6): where all are equal and positive is the centre."""
    axes = points.new_tensor([[1, -1, 0], [-1, -1, 2], [1, 1, 1]])  # right, up, to the viewer
    return points @ (axes / axes.norm(dim=1, keepdim=True))


def disc(pixels: int) -> tuple[Tensor, Tensor]:
    """The points of the unit sphere that the pixels inside the disc show, (points, 3), and the pixels' numbers.

    Lambert: what lies at the distance r from the centre of a disc of radius 1 is at the angle 2 arcsin(r) from the
    point (0, 0, 1), and the disc's share within r, which is r^2, is that cap's share of the sphere.
    """
    steps = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (2 / pixels) - 1
    up, right = torch.meshgrid(-steps, steps, indexing="ij")
    squared = right.square() + up.square()
    inside = squared <= 1
    right, up, squared = right[inside], up[inside], squared[inside]
    stretch = 2 * torch.sqrt(1 - squared)
    return torch.stack([stretch * right, stretch * up, 1 - 2 * squared], 1), inside.flatten().nonzero()[:, 0]


def colours(outputs: Tensor) -> Tensor:
    """Whole numbers from 0 to 255 (points, 3): red, green, blue grow with output 1, 2, 3 divided by their length."""
    directions = outputs / outputs.norm(dim=1, keepdim=True)
    return (127.5 * (1 + directions)).round().long()
