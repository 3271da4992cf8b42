"""The values of the pretended GPU's operations, which the CPU computes."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch

from tests.gpu.pretended.machine import MACHINE


def compute(func: Any, args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
    """Random numbers come from the device's generator and leave the host's alone."""
    if torch.Tag.nondeterministic_seeded not in getattr(func, "tags", ()):
        return func(*args, **kwargs)
    of_host = torch.get_rng_state()
    torch.set_rng_state(MACHINE.random_state)
    try:
        return func(*args, **kwargs)
    finally:
        MACHINE.random_state = torch.get_rng_state()
        torch.set_rng_state(of_host)


def mapped(change: Callable[[Any], Any], tree: Any) -> Any:
    """Arguments or results of an operation, each value changed; several times faster than torch's own trees."""
    if type(tree) in (list, tuple):
        return type(tree)([mapped(change, each) for each in tree])
    if type(tree) is dict:
        return {name: mapped(change, each) for name, each in tree.items()}
    return change(tree)


def leaves(*trees: Any) -> Iterator[Any]:
    for tree in trees:
        if isinstance(tree, list | tuple):
            yield from leaves(*tree)
        elif isinstance(tree, dict):
            yield from leaves(*tree.values())
        else:
            yield tree


def make_garbage(tree: Any) -> None:
    """Memory that nobody has written must not look like anything."""
    for tensor in leaves(tree):
        if isinstance(tensor, torch.Tensor) and tensor.dtype is not torch.bool:
            tensor.fill_(float("nan") if tensor.is_floating_point() else torch.iinfo(tensor.dtype).max // 3)
