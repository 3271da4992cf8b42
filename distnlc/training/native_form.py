"""What native.c is told: the structures that both sides share, filled from a layered network and a step's spec."""

import ctypes
from typing import Any

from distnlc.networks.activations import SELU_LEFT, SELU_RIGHT
from distnlc.networks.layered import Layered
from distnlc.networks.mlp import EPSILON
from distnlc.training import optimizers
from distnlc.training.native_library import NoLibrary
from distnlc.training.spec import StepSpec

# the numbers that native.c gives to names
ACTIVATIONS = {
    "identity": 0,
    "relu": 1,
    "selu": 2,
    "tanh": 3,
    "sigmoid": 4,
    "even-tanh": 5,
    "gaussian": 6,
    "square": 7,
    "odd-square": 8,
    "relu6": 9,
    "hardtanh": 10,
    "hardsigmoid": 11,
}
NORMALIZATIONS = {"none": 0, "batch": 1, "layer": 2, "length": 3}
STARTS = {"linear": 1, "normalization": 2}
LOSSES = {"cross-entropy": 0, "squared-error": 1}
OPTIMIZERS = {"sgd": 0, "momentum": 1, "adam": 2, "adam-tf1": 3, "rmsprop-tf1": 4}
CACHE_LINE = 8  # float64 elements


def _structure(**fields: str) -> Any:
    """The fields of a ctypes structure: type -> names, in their order."""
    types = {"int64": ctypes.c_int64, "double": ctypes.c_double, "pointer": ctypes.c_void_p}
    return [(name, types[kind]) for kind, names in fields.items() for name in names.split()]


class Layer(ctypes.Structure):
    """`Layer` of native.c."""

    _fields_ = _structure(
        int64="d_in d_out biases normalization activation begins ends matrix columns",
        double="strength dilation shift scale offset",
    )


class Network(ctypes.Structure):
    """`Network` of native.c."""

    _fields_ = _structure(
        int64="depth widest batch stride span loss optimizer",
        double="momentum weight_decay beta1 beta2 adam_epsilon rms_decay rms_epsilon selu_right selu_left epsilon",
        pointer="layers gemm workspace",
    )


class Run(ctypes.Structure):
    """`Run` of native.c."""

    _fields_ = _structure(pointer="row buffers rates first second gradients", double="loss_scale steps")


def check_known(network: Layered) -> None:
    """Raises NoLibrary for an activation function that native.c does not know."""
    for layer in network.layers:
        if layer.activation is not None and layer.activation.name not in ACTIVATIONS:
            raise NoLibrary(f"native.c does not know the activation function {layer.activation.name!r}")


def layers_of(network: Layered) -> ctypes.Array[Layer]:
    """The layers as an array for C, which must be kept alive as long as C uses it. Raises NoLibrary."""
    check_known(network)
    made, matrix_start = (Layer * network.depth)(), 0
    for number, (layer, (d_out, d_in, biases)) in enumerate(zip(network.layers, network.sizes, strict=True), start=1):
        beginning, ending, matrix, columns = network.beginning_in(number), network.ending_in(number), -1, 0
        if ending and ending.matrix:
            matrix, columns = matrix_start, network.widths[ending.start]
            matrix_start += d_out * columns
        activation = layer.activation
        made[number - 1] = Layer(
            d_in=d_in,
            d_out=d_out,
            biases=biases,
            normalization=NORMALIZATIONS[layer.normalization],
            activation=ACTIVATIONS[activation.name if activation else "identity"],
            begins=STARTS[beginning.begins_after] if beginning else 0,
            ends=int(ending is not None),
            matrix=matrix,
            columns=columns,
            strength=ending.strength if ending else 0.0,
            dilation=activation.dilation if activation else 1.0,
            shift=activation.shift if activation else 0.0,
            scale=activation.scale if activation else 1.0,
            offset=activation.offset if activation else 0.0,
        )
    return made


def network_of(network: Layered, layers: ctypes.Array[Layer], spec: StepSpec, gemm: int) -> Network:
    """What all runs share; its workspace is still to be made."""
    return Network(
        depth=network.depth,
        widest=max(network.widths[1:]),
        batch=spec.batch_size,
        stride=row_stride(spec.batch_size),
        span=max((skip.end - skip.start for skip in network.skips), default=0),
        loss=LOSSES[spec.loss],
        optimizer=OPTIMIZERS[spec.optimizer],
        momentum=spec.momentum,
        weight_decay=spec.weight_decay,
        beta1=optimizers.BETA1,
        beta2=optimizers.BETA2,
        adam_epsilon=optimizers.EPSILON,
        rms_decay=optimizers.RMS_DECAY,
        rms_epsilon=optimizers.RMS_EPSILON,
        selu_right=SELU_RIGHT,
        selu_left=SELU_LEFT,
        epsilon=EPSILON,
        layers=ctypes.cast(layers, ctypes.c_void_p),
        gemm=gemm,
        workspace=None,
    )


def row_stride(batch_size: int) -> int:
    """Elements from one row of a signal to the next: an odd number of whole cache lines, since rows whose distance is
    a power of two would compete for the same places in the cache."""
    lines = -(-batch_size // CACHE_LINE)
    return CACHE_LINE * (lines + 1 - lines % 2)
