"""A layered network's operations in order of execution: the places at which the study of gradients measures.

A linear operation's output includes what a skip connection brings. Describing a network needs no torch.
"""

from dataclasses import dataclass
from typing import Literal

from distnlc.networks.layered import Layered


@dataclass(frozen=True)
class Operation:
    """One operation of a layered network."""

    kind: Literal["linear", "normalization", "activation"]
    layer: int
    """of `Layered.layers`, counted from 1"""
    width: int
    """of its output"""


def operations(layered: Layered) -> tuple[Operation, ...]:
    """All operations, the lowest first; a normalization or activation that a layer has not is left out."""
    found = list[Operation]()
    for number, layer in enumerate(layered.layers, start=1):
        found.append(Operation("linear", number, layer.width))
        if layer.normalization != "none":
            found.append(Operation("normalization", number, layer.width))
        if layer.activation is not None:
            found.append(Operation("activation", number, layer.width))
    return tuple(found)
