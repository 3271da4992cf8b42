"""A sequential network read as a list of what happens to a signal's second moment and scaling factor.

In: `nn.Sequential` (nested), `Residual` or a single layer, and the shape of one datapoint; only shapes are read, on the
device `meta` too. Out: nodes in order of execution, each weight layer as a LayerShape. Other modules are asked for
their output's shape on `meta`, where nothing is computed. Choices where the text is silent:
    activations     each weight layer makes up for one: the next one behind it, or the last one before it in a chain
                    (a network, a branch) that begins with one; the last layer of the network for its typical one
    pools           r, the correlation of two positions, is that of white input (A5): (1 - a)^2 / (pi (1 + a^2)) behind
                    a (leaky) ReLU of slope a, 0 elsewhere
    dropout         switched off
"""

import copy
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import nn
from torch.nn.parameter import is_lazy

from distnlc.networks.layer_shapes import LayerShape
from distnlc.networks.residual import Multiplier, Residual

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
LAYERS = (nn.Linear, *CONVOLUTIONS, *TRANSPOSED)
RECTIFIERS = (nn.ReLU, nn.LeakyReLU, nn.PReLU)
AVERAGES = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)
ADAPTIVE = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)
NORMS = (nn.LayerNorm, nn.GroupNorm, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
PADS = (nn.ZeroPad1d, nn.ZeroPad2d, nn.ZeroPad3d)
PASSING = (
    *(nn.Identity, nn.Flatten, nn.Unflatten),
    *(nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d),
)
UNCOVERED = ("refused", "kept")


class UnknownForwardError(ValueError):
    """A network whose forward pass cannot be read from its modules."""


@dataclass
class Weights:
    """A layer; `share` and `slope` of its shape are filled in when the whole network has been read."""

    shape: LayerShape


@dataclass
class Scalar:
    """A Multiplier."""

    name: str
    value: float
    learnable: bool
    channels: int
    share: float = 1.0


@dataclass
class Operation:
    """Anything else."""

    name: str
    factor: float = 1.0
    """by which the second moment is multiplied; 0 where it is set to 1"""
    kept: float = 1.0
    """s at the input over s at the output"""
    slope: float | None = None
    """of an activation function"""


@dataclass
class Branches:
    """A Residual."""

    name: str
    main: list["Node"]
    shortcut: list["Node"]
    alpha: float
    beta: float
    shares: tuple[float, float]
    """(shortcut, main)"""


Node = Weights | Scalar | Operation | Branches


@dataclass
class Reader:
    """Reads modules one after the other; `shape` is that of the signal so far, without the batch."""

    shape: tuple[int, ...]
    uncovered: str = "refused"
    slope: float | None = None
    """of the activation function that the signal comes from; None where it is symmetric around 0"""
    notes: list[str] = field(default_factory=list)
    seen: dict[int, str] = field(default_factory=dict)

    def read(self, module: Any, name: str) -> Iterator[Node]:
        """Its nodes. Raises ValueError that names the module."""
        if is_of(module, nn.Sequential):
            for key, each in module._modules.items():
                if each is not None:
                    yield from self.read(each, f"{name}.{key}" if name else key)
        elif is_of(module, Residual):
            yield self._branches(module, name)
        elif is_of(module, LAYERS):
            yield Weights(self._layer(module, name))
            self.slope = None
        elif is_of(module, Multiplier):
            learnable = bool(module.learnable)
            if learnable:
                self._once(trained(module, "value"), name)
            yield Scalar(name, current(module), learnable, self.shape[0])
        else:
            yield self._operation(module, name)

    def _layer(self, module: Any, name: str) -> LayerShape:
        title = f"layer {name or type(module).__name__}"
        weight = trained(module, "weight")
        if is_lazy(weight):
            raise ValueError(f"{title} is lazy, it has no shape before its first call; call the network once")
        self._once(weight, name)
        if is_of(module, nn.Linear):
            if self.shape[-1] != module.in_features:
                raise ValueError(f"{title} takes {module.in_features} numbers, found an input of shape {self.shape}")
            found = LayerShape(name, module.in_features, module.out_features, bias=module.bias is not None)
            self.shape = (*self.shape[:-1], module.out_features)
            return found
        axes = len(module.kernel_size)
        if len(self.shape) != axes + 1 or self.shape[0] != module.in_channels:
            raise ValueError(
                f"{title} ({type(module).__name__}) takes an input of {module.in_channels} channels and {axes} sizes, "
                f"found the shape {self.shape}"
            )
        sizes, padding = self.shape[1:], module.padding
        found = LayerShape(
            name,
            module.in_channels,
            module.out_channels,
            tuple(module.kernel_size),
            tuple(module.stride),
            padding if isinstance(padding, str) else tuple(padding),
            tuple(module.dilation),
            module.groups,
            is_of(module, TRANSPOSED),
            tuple(sizes),
            bias=module.bias is not None,
            output_padding=tuple(module.output_padding),
        )
        self.shape = (module.out_channels, *found.size_out)
        if module.padding_mode != "zeros":  # what is padded are numbers: no product is left out
            wider = [size + sum(pads) for size, pads in zip(sizes, found.pads, strict=True)]
            found = replace(found, size_in=tuple(wider), padding=0)
        return found

    def _branches(self, module: Residual, name: str) -> Branches:
        before, slope = self.shape, self.slope
        prefix = f"{name}." if name else ""
        main = list(self.read(module.main, f"{prefix}main"))
        after, self.shape, self.slope = self.shape, before, slope
        shortcut = list(self.read(module.shortcut, f"{prefix}shortcut"))
        if self.shape != after:
            raise ValueError(f"{name or 'Residual'}: main gives the shape {after}, shortcut {self.shape}")
        return Branches(name, main, shortcut, module.alpha, module.beta, module.shares)

    def _operation(self, module: Any, name: str) -> Operation:
        title = f"{name or 'the network'} ({type(module).__name__})"
        factor, kept, slope, before = 1.0, 1.0, None, self.shape
        covered = *RECTIFIERS, *PASSING, *NORMS, *AVERAGES, *ADAPTIVE, *PADS, nn.Upsample
        known = is_of(module, covered) and not (is_of(module, nn.Upsample) and module.mode != "nearest")
        if not known:
            self._refuse(module, title)
        self.shape = before if is_of(module, (*RECTIFIERS, *NORMS)) else self._shape_behind(module, title)
        if is_of(module, RECTIFIERS):
            slope = slope_of(module)
            factor = (1 + slope**2) / 2
            if self.slope is not None:
                self.notes.append(f"{title} follows an activation function with no layer between: s is not kept there")
            self.slope = slope
        elif is_of(module, NORMS):
            factor, self.slope = 0.0, None
        elif is_of(module, (*AVERAGES, *ADAPTIVE)):
            factor, kept = self._pool(module, title, before)
        elif is_of(module, PADS):
            factor = math.prod(before) / math.prod(self.shape)
        return Operation(name, factor, kept, slope)

    def _pool(self, module: Any, title: str, before: tuple[int, ...]) -> tuple[float, float]:
        """What it multiplies the second moment by, and s before it over s behind it."""
        if is_of(module, ADAPTIVE):
            if any(size % fewer for size, fewer in zip(before[1:], self.shape[1:], strict=True)):
                raise ValueError(f"{title}: its output {self.shape[1:]} must divide its input {before[1:]}")
            window = math.prod(before[1:]) // math.prod(self.shape[1:])
        else:
            axes = len(before) - 1
            sizes, pads = (
                each if isinstance(each, tuple) else (each,) * axes for each in (module.kernel_size, module.padding)
            )
            if any(pads) or module.ceil_mode:
                raise ValueError(f"{title}: padding and ceil_mode of an average pool are not covered")
            window = math.prod(sizes)
        alike = 0.0 if self.slope is None else (1 - self.slope) ** 2 / (math.pi * (1 + self.slope**2))
        grown = 1 + (window - 1) * alike
        if window > 1:
            self.notes.append(
                f"{title} averages {window} positions: s is kept only where these are uncorrelated; taken is a factor "
                f"of {grown:.3g}, in a deep network it is larger. Subsampling (AvgPool of kernel 1 with a stride) or a "
                "convolution with a stride keeps s"
            )
        return grown / window, 1 / grown

    def _refuse(self, module: nn.Module, title: str) -> None:
        """Raises ValueError for a module that is not covered, unless such pass."""
        if self.uncovered == "kept" and not any(True for _ in module.parameters()):
            self.notes.append(f"{title} is not covered: taken as if it kept s and the second moment")
            return
        if type(module).__module__.startswith("torch.nn"):
            raise ValueError(f"{title} is not covered by the scaling calculus: {why_uncovered(module)}")
        raise UnknownForwardError(f"{title}: its forward is unknown: give LayerShapes")

    def _shape_behind(self, module: nn.Module, title: str) -> tuple[int, ...]:
        try:
            with torch.no_grad():
                output = copy.deepcopy(module).eval().to("meta")(torch.empty(1, *self.shape, device="meta"))
            shape = tuple(output.shape[1:])
        except Exception as error:  # whatever torch says of a shape
            said = " ".join(str(error).split())
            raise ValueError(f"{title} does not take an input of shape {self.shape}: {said}") from None
        if not shape or math.prod(shape) == 0:
            raise ValueError(f"{title} makes nothing of an input of shape {self.shape}")
        return shape

    def _once(self, tensor: Any, name: str) -> None:
        if tensor is None:  # it is computed from others
            return
        if id(tensor) in self.seen:
            raise ValueError(f"{self.seen[id(tensor)]} and {name} are one weight: give LayerShapes")
        self.seen[id(tensor)] = name


def is_of(module: nn.Module, types: type[nn.Module] | Sequence[type[nn.Module]]) -> bool:
    """Whether it is of one of these, and computes as that does: a subclass with a forward of its own does not."""
    several = (types,) if isinstance(types, type) else types
    return any(isinstance(module, each) and type(module).forward is each.forward for each in several)


def trained(module: Any, name: str) -> Any:
    """The tensor of that name, or the one that is trained where a multiplier of `geometric_init_` is applied to it."""
    held = module.parametrizations[name] if name in getattr(module, "parametrizations", ()) else None
    return getattr(held, "original", None) if held is not None else getattr(module, name)


def current(module: Multiplier) -> float:
    """The number that is trained; on `meta`, where there are none, the one that it began with."""
    value = trained(module, "value")
    return module.start if value.is_meta else float(value.detach())


def slope_of(module: nn.Module) -> float:
    """The factor of negative numbers; PReLU's is a trained one (on `meta` torch's first, 0.25)."""
    if isinstance(module, nn.PReLU):
        return 0.25 if module.weight.is_meta else float(module.weight.detach().double().mean())
    return float(getattr(module, "negative_slope", 0.0))


def why_uncovered(module: nn.Module) -> str:
    """In words, why no rule of the calculus holds for a module of torch's."""
    if isinstance(module, nn.MultiheadAttention | nn.TransformerEncoderLayer | nn.TransformerDecoderLayer):
        return "attention is a product of activations, which does not keep s"
    if isinstance(module, nn.RNNBase | nn.RNNCellBase):
        return "a recurrent network uses its weights at many times, on one another's outputs"
    if isinstance(module, nn.Embedding | nn.EmbeddingBag):
        return "an embedding is no product with a dense input"
    if isinstance(module, nn.MaxPool1d | nn.MaxPool2d | nn.MaxPool3d):
        return "max pooling does not keep s; a stride does"
    return "it does not keep s, or is not known to (uncovered='kept' lets modules without weights pass)"
