"""The effective depth of the user's own network, followed through the user's own training loop.
(Philipp, Song & Carbonell 2017, appendix D.2; gradient_scale.md says how to read it.)

In: a network before its training, and before each update its batch, its loss and its step size. Out: the effective
depth, of which `effective_depth.py` has the definition. Where the text is silent:
    layers            every trained `Linear` and `Conv` weight. Biases pass no gradient; trained weights of
                      normalizations and of PReLU are taken as they are, as if they belonged to the initial network
    a shared layer    each call is a layer of its own, but the updates add up to those of one matrix
    a convolution     its residual's operator norm is that of the whole operation, on a signal of the size it has there
    momentum          a gradient's share in all later updates counts at once: the step size by (1 - momentum)
    weight decay      no gradient: its effect on the residual counts, and nothing else
Any other trained parameter is refused by name, and so are layers in another order than gradient_route.py covers.
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from distnlc.metrics.effective_depth import THRESHOLD, EffectiveDepth
from distnlc.metrics.gradient_route import LayerCall, Weighted, find_route
from distnlc.metrics.gradient_scale import LossOrDirection
from distnlc.metrics.measurable import UnmeasurableError, undisturbed

LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
ASIDE = (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.PReLU)
"""modules whose trained parameters are no layers"""
PRECISION, MOST_ITERATIONS = 1e-3, 100
"""of an operator norm: a power iteration ends when it adds less than this share"""


def effective_depth(network: nn.Module) -> "DepthInTraining":
    """Return what follows this network's training: call its `before_update` before every update.

    The network's present weights are the initial ones. Raises ValueError for a network with trained parameters that are
    not covered, by their module's name.
    """
    return DepthInTraining(network)


class DepthInTraining:
    """The effective depth of one network so far."""

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.layers = _checked_layers(network)
        """path -> layer with a trained weight"""
        self._initial = {path: layer.weight.detach().clone() for path, layer in self.layers.items()}
        self._vectors = dict[int, Tensor]()
        """number of a call, from the top -> the direction that its residual enlarges the most"""
        self._places = list[str]()
        """of the calls in the first update, from the top"""
        self.sums: EffectiveDepth | None = None
        """the bounds behind the depth, lowest layer first; None before the first update"""

    @undisturbed()
    def before_update(self, inputs: Tensor, loss: LossOrDirection, step: float | torch.optim.Optimizer) -> None:
        """Takes one update, before it is made.

        inputs: (batch, ...), those of the update, or some of them. loss: as for `gradient_scale`, one number per
        datapoint; the update is by its mean. step: the step size, or the optimizer, which must be `torch.optim.SGD`.
        Costs a pass forward and back of a copy of the network. Nothing that is given changes. Raises ValueError for
        what cannot be followed.
        """
        rates = _rates(step, self.layers)
        found = find_route(self.network, self.layers, inputs, loss)
        places = [call.place for call in found.calls]
        if self.sums is None:
            if not places:
                raise UnmeasurableError(f"the gradient reaches none of the trained layers: {', '.join(self.layers)}")
            self.sums, self._places = EffectiveDepth(len(places), device=inputs.device), places
        if places != self._places:
            raise UnmeasurableError(
                f"the network called its layers in the order {', '.join(reversed(places))}, but in its first update "
                f"{', '.join(reversed(self._places))}"
            )
        weights = list(dict.fromkeys(id(self.layers[place].weight) for place in reversed(places)))
        rows = [weights.index(id(self.layers[place].weight)) for place in places]
        residuals = [self._residual(number, call) for number, call in enumerate(found.calls)]
        scaled = [rates[place] / len(inputs) for place in places]
        self.sums.add(found.steps(residuals, rows, scaled), found.length(found.top))

    def depth(self, threshold: float = THRESHOLD) -> int:
        """The effective depth: 0 to the number of weight layers less one. An over-estimate by design."""
        return 0 if self.sums is None else self.sums.depth(threshold)

    def _residual(self, number: int, call: LayerCall) -> Tensor:
        """Operator norm of what training has added to the call's weight so far."""
        added = (self.layers[call.place].weight.detach() - self._initial[call.place]).double()
        start = self._vectors.get(number)
        if start is None:
            shape = call.signal.shape[-1:] if isinstance(call.layer, nn.Linear) else call.signal.shape[1:]
            start = torch.randn((1, *shape), generator=torch.Generator().manual_seed(number), dtype=torch.float64)
        norm, self._vectors[number] = operator_norm(lambda signal: _applied(call.layer, signal, added), start.to(added))
        return norm


def _applied(layer: Weighted, signal: Tensor, weight: Tensor) -> Tensor:
    """The layer's operation with another weight, without a bias."""
    if isinstance(layer, nn.Linear):
        return nn.functional.linear(signal, weight)
    return layer._conv_forward(signal, weight, None)


def operator_norm(linear: Callable[[Tensor], Tensor], start: Tensor) -> tuple[Tensor, Tensor]:
    """The largest factor by which a linear operation enlarges a vector, from below, and the vector, of length 1.

    From a start near that, one or two iterations are enough.
    """
    vector, norm = start / start.norm(), start.new_zeros(())
    for _ in range(MOST_ITERATIONS):
        point = vector.requires_grad_()
        image = linear(point)
        before, norm = norm, image.detach().norm()
        (moved,) = torch.autograd.grad(image, point, image.detach())
        vector = point.detach()
        if not norm > before * (1 + PRECISION):
            break
        vector = moved / moved.norm()
    return norm, vector


def _checked_layers(network: nn.Module) -> dict[str, Weighted]:
    """Path -> layer whose weight is trained. Raises UnmeasurableError."""
    if not isinstance(network, nn.Module):
        raise UnmeasurableError(f"effective depth is that of a torch module, found {type(network).__name__}")
    layers = dict[str, Weighted]()
    for path, module in network.named_modules():
        trained = {name for name, each in module.named_parameters(recurse=False) if each.requires_grad}
        if isinstance(module, LAYERS) and trained <= {"weight", "bias"}:
            if "weight" in trained:
                layers[path] = module
        elif trained and not isinstance(module, ASIDE):
            raise UnmeasurableError(
                f"effective depth follows Linear and Conv layers, but {path or 'the network'} "
                f"({type(module).__name__}) has trained parameters of its own: {', '.join(sorted(trained))}; it is not "
                "covered (but for parameters that are frozen by requires_grad_(False))"
            )
    if not layers:
        raise UnmeasurableError("the network has no Linear or Conv layer whose weight is trained")
    return layers


def _rates(step: float | torch.optim.Optimizer, layers: Mapping[str, Weighted]) -> dict[str, float]:
    """Path -> what the mean error's gradient is multiplied by. Raises ValueError."""
    if not isinstance(step, torch.optim.Optimizer):
        return dict.fromkeys(layers, float(step))
    if type(step) is not torch.optim.SGD:
        raise ValueError(
            f"effective depth is defined for torch.optim.SGD, whose updates are gradients times a step size, not for "
            f"{type(step).__name__}"
        )
    rates = {
        id(parameter): float(group["lr"]) / (1 - group["momentum"])
        for group in step.param_groups
        for parameter in group["params"]
    }
    return {path: rates.get(id(layer.weight), 0.0) for path, layer in layers.items()}
