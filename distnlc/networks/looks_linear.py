"""Looks-linear initialization of the user's own ReLU network: a linear function at first, whose gradient cannot explode
(Philipp, Song & Carbonell 2017, appendix H; after Balduzzi et al. 2017).

In: a module with `Linear` layers, which follow one another in the order in which they were registered, ReLU between
them, and a generator. Out: the same module; its matrices are drawn, its biases are 0. Neurons 2i and 2i + 1 of a ReLU
layer carry the positive and the negative part of one number. Batch or layer normalization in between keeps that, since
it treats both alike while its weights are 1 and its biases 0. What is not covered is refused before anything changes.
What the module's own code does, such as `torch.tanh`, is not seen. A layer that is called twice is drawn once.
"""

from itertools import pairwise

import numpy as np
import torch
from torch import nn

from distnlc.networks.matrices import Place, looks_linear

PASSING = (
    *(nn.ReLU, nn.Identity, nn.Flatten, nn.LayerNorm, nn.RMSNorm),
    *(nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd),
)
"""modules of torch's that may stand beside the linear ones"""


def looks_linear_(module: nn.Module, generator: torch.Generator) -> nn.Module:
    """Initializes a module's Linear layers, in place, and returns it.

    Raises ValueError, naming the module, for fewer than two Linear layers, layers that do not follow one another, a
    ReLU layer of odd width, and modules that are not covered: other activation functions, convolutions, attention.
    """
    layers = _checked(module)
    random = np.random.default_rng(int(torch.randint(2**63 - 1, (), generator=generator)))
    last = len(layers) - 1
    for number, layer in enumerate(layers.values()):
        place: Place = "lowest" if number == 0 else "highest" if number == last else "intermediate"
        with torch.no_grad():
            layer.weight.copy_(looks_linear(layer.out_features, layer.in_features, place, random))
            if layer.bias is not None:
                layer.bias.zero_()
    return module


def _checked(module: nn.Module) -> dict[str, nn.Linear]:
    """Path -> Linear layer, lowest first. Raises ValueError."""
    layers = dict[str, nn.Linear]()
    for path, each in module.named_modules():
        if type(each) is nn.Linear:
            layers[path] = each
        elif not (isinstance(each, PASSING) or _holds_others(each)):
            raise ValueError(
                f"looks_linear_ initializes Linear layers with ReLU between them, but {path or 'the module'} is a "
                f"{type(each).__name__}"
            )
    if len(layers) < 2:
        raise ValueError(f"looks_linear_ needs at least 2 Linear layers, found {len(layers)}")
    for (below, lower), (above, upper) in pairwise(layers.items()):
        if lower.out_features != upper.in_features:
            raise ValueError(
                f"looks_linear_ needs layers that follow one another as they are registered, but {below} has "
                f"{lower.out_features} outputs and {above}, the next, {upper.in_features} inputs"
            )
        if lower.out_features % 2:
            raise ValueError(
                f"looks_linear_ needs ReLU layers of even width, whose neurons are pairs, but {below} has "
                f"{lower.out_features} outputs"
            )
    return layers


def _holds_others(module: nn.Module) -> bool:
    """Whether it is the user's own, or a container: no module of torch's own that computes, and no parameters."""
    computes = type(module).__module__.startswith("torch.nn.modules.") and not any(module.children())
    return not computes and not any(True for _ in module.parameters(recurse=False))
