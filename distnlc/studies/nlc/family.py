"""An architecture of a family of the user's own: drawn, built, checked.

In: the spec's section `sampling`, the architecture's index and seed, the dimensions of the data. Out: its description,
its network. Both run with random numbers that the seed fixes, so that a family may call `nn.Linear(...)` as usual and
gives the same numbers in every process. Everything that is wrong with it is one line with its name and index. Only what
builds a network needs torch.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from distnlc.plugins import Description, Family, loaded, plugin_required
from distnlc.records import PropertyRow
from distnlc.spec import derive_seed, short_id
from distnlc.studies.nlc.spec import SamplingSpec

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

NEUTRAL: Mapping[str, Any] = {
    "depth": 0,
    "width": 0,
    "dilation": 1.0,
    "shift": 0.0,
    "debiased": False,
    "bias_variance": 0.0,
    "initial_scale": 1.0,
    "normalization": "none",
    "skip_strength": 0.0,
    "skip_start": "none",
}
"""columns that only architectures of section C's scheme have"""


def columns(sampling: SamplingSpec, index: int, seed: int, d_in: int, d_out: int) -> dict[str, Any]:
    """What is known of the architecture without its network. `activation` holds the family's name."""
    assert sampling.family is not None
    fixed = {"family": sampling.family.model_dump(), "size": sampling.size, "index": index, "seed": seed}
    return {
        **NEUTRAL,
        "index": index,
        "seed": seed,
        "d_in": d_in,
        "d_out": d_out,
        "activation": sampling.family.name,
        "architecture_id": short_id({**fixed, "d_in": d_in, "d_out": d_out}),
    }


def draw(sampling: SamplingSpec, index: int, seed: int, d_in: int, d_out: int, shape: Sequence[int]) -> Description:
    """The architecture's description. Raises ValueError for a family that does not give one."""
    from distnlc.networks.seeded import seeded

    assert sampling.family is not None
    family = plugin_required(Family, sampling.family.name)
    with seeded(derive_seed("draw", seed), "cpu"):
        found = _own(
            f"{_called(sampling, index)}: draw",
            lambda: loaded(family.draw)(
                index, seed=seed, d_in=d_in, d_out=d_out, shape=tuple(shape), **dict(sampling.size)
            ),
        )
    if not (callable(getattr(found, "build", None)) and isinstance(getattr(found, "properties", None), Mapping)):
        raise ValueError(
            f"{_called(sampling, index)}: expected draw to give a description with `properties`, a mapping, and "
            f"`build()`, found {type(found).__name__}"
        )
    description: Description = found
    return description


def build(sampling: SamplingSpec, index: int, seed: int, description: Description) -> "nn.Module":
    """The network at initialization, on the CPU. Raises ValueError if it is no module or has no parameters."""
    from torch import nn

    from distnlc.networks.seeded import seeded

    with seeded(derive_seed("build", seed), "cpu"):
        network = _own(f"{_called(sampling, index)}: build", description.build)
    if not isinstance(network, nn.Module):
        raise ValueError(
            f"{_called(sampling, index)}: expected build() to give a torch module, found {type(network).__name__}"
        )
    if not list(network.parameters()):
        raise ValueError(f"{_called(sampling, index)}: its network has no parameters to train")
    if frozen := [name for name, parameter in network.named_parameters() if not parameter.requires_grad]:
        raise ValueError(
            f"{_called(sampling, index)}: expected all parameters to be trained, but {frozen[0]} has no gradient; make "
            "it a buffer (register_buffer)"
        )
    return network


def count_parameters(network: "nn.Module") -> int:
    """Trainable weights and biases."""
    return sum(parameter.numel() for parameter in network.parameters())


def check(sampling: SamplingSpec, index: int, network: "nn.Module", inputs: "Tensor", d_out: int) -> None:
    """Tries the network on two batches of different length, (batch, d_in). Raises ValueError.

    It must map each to (batch, d_out) in their dtype, twice to the same numbers.
    """
    import torch

    called = _called(sampling, index)
    with torch.no_grad():
        for points in (inputs, inputs[: len(inputs) // 2 + 1]):
            found, again = (_own(f"{called}: its network", partial(network, points)) for _ in range(2))
            expected = len(points), d_out
            if not isinstance(found, torch.Tensor) or tuple(found.shape) != expected or found.dtype != points.dtype:
                raise ValueError(
                    f"{called}: expected outputs of shape {expected} and {_dtype(points)}, found {_shape(found)}"
                )
            if not torch.equal(found.nan_to_num(), again.nan_to_num()):
                raise ValueError(
                    f"{called}: expected the same outputs for the same batch, found others the second time"
                )


def property_rows(unit_id: str, sampling: SamplingSpec, index: int, description: Description) -> list[PropertyRow]:
    """The description's properties. Raises ValueError for one that is neither a number nor a text."""
    rows = []
    for name, value in description.properties.items():
        if not isinstance(value, int | float | str):
            raise ValueError(
                f"{_called(sampling, index)}: property {name}: expected a number or a text, found "
                f"{type(value).__name__}"
            )
        known = {"text": value} if isinstance(value, str) else {"value": float(value)}
        rows.append(PropertyRow(unit_id=unit_id, name=str(name), **known))
    return rows


def _called(sampling: SamplingSpec, index: int) -> str:
    assert sampling.family is not None
    return f"family {sampling.family.name}, architecture {index}"


def _own(what: str, do: Callable[[], Any]) -> Any:
    """What the user's code gives. Raises ValueError for whatever it raises."""
    try:
        return do()
    except (Exception, SystemExit) as error:
        raise ValueError(" ".join(f"{what} raised {type(error).__name__}: {error}".split())) from error


def _shape(found: Any) -> str:
    shape = getattr(found, "shape", None)
    return type(found).__name__ if shape is None else f"{tuple(shape)} and {_dtype(found)}"


def _dtype(tensor: "torch.Tensor") -> str:
    return str(tensor.dtype).removeprefix("torch.")
