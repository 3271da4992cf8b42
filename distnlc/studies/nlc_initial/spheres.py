"""The pictures of table 2 (section A.2 of the NLC study): what batch-norm ReLU networks make of a sphere of inputs.

In: nothing. Out: pictures, uint8 RGB of shape (pixels, pixels, 3): the key to their colours (figure 6), then one per
depth of table 2, side by side in one file, which `analysis/figures/table2_spheres.py` shows.

A disc is the whole unit sphere in Lambert's azimuthal projection, which keeps areas: its centre is the point
(0, 0, 1), its rim the opposite one. So its pixels are spread evenly over the sphere, and all of them together are
the one batch whose statistics batch norm takes, on which the paper is silent.

    python -m distnlc.studies.nlc_initial.spheres --out analysis/tables/spheres.png
"""

import argparse
import logging
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from distnlc.spec import derive_seed
from distnlc.studies.nlc_initial.tables import TABLE2_DEPTHS, TABLE2_WIDTH, gaussian_inputs, he_network

PIXELS = 160
"""of each picture's side"""
AROUND = 255
"""white, outside the disc"""

log = logging.getLogger(__name__)


def colour_key(pixels: int) -> np.ndarray:
    """The output sphere in its own colours; where all outputs are equal and positive is the centre."""
    points, inside = disc(pixels)
    axes = torch.tensor([[1.0, -1, 0], [-1, -1, 2], [1, 1, 1]], dtype=torch.float64)  # right, up, to the viewer
    return picture(points @ (axes / axes.norm(dim=1, keepdim=True)), inside)


@torch.no_grad()
def network_picture(depth: int, pixels: int) -> np.ndarray:
    """What the network of that depth makes of a x1 + b x2 + c x3, for all points (a, b, c) of the sphere.

    x1, x2, x3 are the same three Gaussian inputs for all depths.
    """
    points, inside = disc(pixels)
    inputs = points @ gaussian_inputs(3, TABLE2_WIDTH, derive_seed("spheres", "inputs"))
    network = he_network(depth=depth, d_in=TABLE2_WIDTH, d_out=3, seed=derive_seed("spheres", depth))
    return picture(network(inputs), inside)


def disc(pixels: int) -> tuple[Tensor, Tensor]:
    """The points of the unit sphere that the pixels inside the disc show, (points, 3), and which pixels those are.

    Lambert: what lies at the distance r from the centre of a disc of radius 1 is at the angle 2 arcsin(r) from the
    point (0, 0, 1), and the disc's share within r, which is r^2, is that cap's share of the sphere.
    """
    steps = (torch.arange(pixels, dtype=torch.float64) + 0.5) * (2 / pixels) - 1
    up, right = torch.meshgrid(-steps, steps, indexing="ij")
    squared = right.square() + up.square()
    inside = squared <= 1
    right, up, squared = right[inside], up[inside], squared[inside]
    stretch = 2 * torch.sqrt(1 - squared)
    return torch.stack([stretch * right, stretch * up, 1 - 2 * squared], 1), inside


def picture(outputs: Tensor, inside: Tensor) -> np.ndarray:
    """The outputs (points, 3) at the pixels `inside` the disc as colours."""
    image = np.full((*inside.shape, 3), AROUND, dtype=np.uint8)
    image[inside.numpy()] = colours(outputs)
    return image


def colours(outputs: Tensor) -> np.ndarray:
    """uint8 (points, 3): red, green and blue grow with output 1, 2 and 3 of the output divided by its length."""
    directions = outputs / outputs.norm(dim=1, keepdim=True)
    return (127.5 * (1 + directions)).round().to(torch.uint8).numpy()


def main() -> int:
    """Draws and writes the file. Exit code 0: written."""
    parser = argparse.ArgumentParser(
        prog="python -m distnlc.studies.nlc_initial.spheres", description=__doc__.split("\n")[0]
    )
    parser.add_argument("--pixels", type=int, default=PIXELS, help="of each picture's side")
    parser.add_argument("--out", type=Path, required=True, help="the PNG file to write")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    pictures = [colour_key(arguments.pixels)]
    for depth in TABLE2_DEPTHS:
        pictures.append(network_picture(depth, arguments.pixels))
        log.info("depth %d drawn", depth)
    Image.fromarray(np.concatenate(pictures, axis=1)).save(arguments.out, optimize=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
