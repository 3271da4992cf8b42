"""Everything that figures 1 and 2 need of a set-up, exactly, from one backward pass per output (additions A12).

    Q_l = Jacobian of the d outputs by weights W_l, K_l = Q_l Q_l^T (d x d), A = R + R^T
    ||G_l||_F^2 = tr(A K_l A K_l)              diagonal block of the Hessian; Gauss-Newton part of block (i, j) likewise
    DW_l = Q_l^T A y, Dy_l and Dx_l likewise   gradients of y^T R y

In: a sequential network of Linear, Conv2d, ReLU and Flatten, inputs (samples, ...) and R. Out: sums per layer. All
samples go through at once: without a norm no datapoint's outputs depend on another, so each keeps its own Jacobian.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CHUNK = 64
"""samples at once: in a large image the patches of a convolution take memory"""


@dataclass
class Layer:
    """Sums over samples of one weight layer."""

    name: str
    module: nn.Linear | nn.Conv2d
    x: float = 0.0
    """squares of the input, of its gradient, of output and weights likewise"""
    dx: float = 0.0
    y: float = 0.0
    dy: float = 0.0
    dw: float = 0.0
    x_size: int = 0
    y_size: int = 0
    """numbers of one datapoint"""


@dataclass
class Measured:
    """Sums over samples of a network."""

    layers: list[Layer]
    samples: int = 0
    outputs: float = 0.0
    """mean square, summed"""
    weights: list[list[float]] = field(default_factory=list)
    """(layer, layer) -> ||Q_i^T A Q_j||_F^2"""
    biases: list[float] = field(default_factory=list)
    """layer -> that of its biases' diagonal block"""


def measure(network: nn.Sequential, inputs: Tensor, matrix: Tensor) -> Measured:
    """The sums of a network."""
    modules = {name: each for name, each in network.named_children() if isinstance(each, nn.Linear | nn.Conv2d)}
    found = Measured([Layer(name, module) for name, module in modules.items()])
    count = len(found.layers)
    found.weights, found.biases = [[0.0] * count for _ in range(count)], [0.0] * count
    for chunk in inputs.split(CHUNK):
        _add(found, network, chunk, matrix + matrix.T)
    return found


def _add(found: Measured, network: nn.Sequential, inputs: Tensor, twice: Tensor) -> None:
    signals, outputs = _forward(network, inputs)
    both = [each for pair in signals for each in pair]
    by_output = [torch.autograd.grad(column.sum(), both, retain_graph=True) for column in outputs.unbind(1)]
    jacobians = [torch.stack(each, dim=1) for each in zip(*by_output, strict=True)]  # (samples, d, ...)
    outputs = outputs.detach()
    pull = outputs @ twice  # D outputs
    found.samples += len(inputs)
    found.outputs += float(outputs.square().mean(1).sum())
    grams = []
    for number, (layer, (signal, behind)) in enumerate(zip(found.layers, signals, strict=True)):
        by_x, by_y = jacobians[2 * number : 2 * number + 2]
        jacobian, gram = _by_weights(layer.module, signal.detach(), by_y)
        of_biases = by_y.flatten(3).sum(3) if by_y.ndim > 3 else by_y
        grams.append(gram)
        of_biases = of_biases @ of_biases.mT
        found.biases[number] += _square(twice, of_biases, of_biases)
        layer.x_size, layer.y_size = signal[0].numel(), behind[0].numel()
        layer.x, layer.y = layer.x + _squares(signal), layer.y + _squares(behind)
        layer.dx, layer.dy = layer.dx + _pulled(by_x, pull), layer.dy + _pulled(by_y, pull)
        layer.dw += (
            float(torch.einsum("so,sop,sp->", pull, gram, pull)) if jacobian is None else _pulled(jacobian, pull)
        )
    for row, first in enumerate(grams):
        for column, second in enumerate(grams):
            found.weights[row][column] += _square(twice, first, second)


def _forward(network: nn.Sequential, inputs: Tensor) -> tuple[list[tuple[Tensor, Tensor]], Tensor]:
    """Input and output of each weight layer, and the outputs."""
    signal, pairs = inputs.clone().requires_grad_(), []
    for module in network:
        after = module(signal)
        if isinstance(module, nn.Linear | nn.Conv2d):
            pairs.append((signal, after))
        signal = after
    return pairs, signal


def _by_weights(module: nn.Module, signal: Tensor, by_y: Tensor) -> tuple[Tensor | None, Tensor]:
    """The Jacobian by the weights (samples, d, weights), if it is needed, and K (samples, d, d)."""
    if isinstance(module, nn.Linear):  # rows are outer products
        return None, by_y @ by_y.mT * signal.square().sum(1)[:, None, None]
    assert isinstance(module, nn.Conv2d)
    patches = F.unfold(signal, module.kernel_size, stride=module.stride)  # (samples, weights of an output, positions)
    jacobian = (by_y.flatten(3) @ patches.mT[:, None]).flatten(2)
    return jacobian, jacobian @ jacobian.mT


def _square(twice: Tensor, first: Tensor, second: Tensor) -> float:
    """Sum over samples of ||Q_i^T A Q_j||_F^2 = tr(A K_j A K_i)."""
    return float(torch.einsum("sab,sba->", twice @ first, twice @ second))


def _pulled(jacobian: Tensor, pull: Tensor) -> float:
    """Sum of squares of a gradient, from the Jacobian (samples, d, ...) and the gradient by the outputs."""
    return float(torch.einsum("so,sof->sf", pull, jacobian.flatten(2)).square().sum())


def _squares(signal: Tensor) -> float:
    return float(signal.detach().square().sum())
