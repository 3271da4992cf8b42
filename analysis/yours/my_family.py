"""A family of architectures of one's own: residual networks, plain torch modules drawn from a seed.

    distnlc run my_family.yaml --plugin my_family --out my-study

Torch's random numbers are seeded before `draw` and `build`, so that `nn.Linear(...)` gives the same weights in every
process. Each network is measured, trained under the learning-rate search and measured again, as the built-in ones are.
"""

import random
from dataclasses import dataclass

from torch import Tensor, nn

import distnlc

ACTIVATIONS = {"relu": nn.ReLU, "tanh": nn.Tanh, "gelu": nn.GELU}


class Block(nn.Module):
    """x + W2 activation(W1 x)."""

    def __init__(self, width: int, activation: str) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(width, width), ACTIVATIONS[activation](), nn.Linear(width, width))

    def forward(self, signal: Tensor) -> Tensor:
        return signal + self.inner(signal)


@dataclass
class Residual:
    """One architecture: `properties` go to the table `properties`, `build` gives the network at initialization."""

    d_in: int
    d_out: int
    width: int
    blocks: int
    activation: str

    @property
    def properties(self) -> dict[str, int | str]:
        return {"blocks": self.blocks, "activation": self.activation}

    def build(self) -> nn.Module:
        blocks = [Block(self.width, self.activation) for _ in range(self.blocks)]
        return nn.Sequential(nn.Linear(self.d_in, self.width), *blocks, nn.Linear(self.width, self.d_out))


def draw(
    index: int, *, seed: int, d_in: int, d_out: int, shape: tuple[int, ...], width: int = 20, most_blocks: int = 4
) -> Residual:
    """Architecture number `index`. `width` and `most_blocks` are fields of the spec's section `sampling.size`."""
    drawn = random.Random(seed)
    return Residual(d_in, d_out, width, drawn.randint(1, most_blocks), drawn.choice(sorted(ACTIVATIONS)))


FAMILY = distnlc.Family(name="my-residual", draw=draw)
