"""The program of a population on a CPU: native.c, one run after the other; see `start.py`.

A population of tiny networks in torch is bound by what lies between the products: every operation reads and writes
all runs' signals, which do not fit into the cache. Here a run's whole epoch is one call, which works layer by layer
on memory that stays in the cache.
"""

import ctypes

import torch
from torch import Tensor

from distnlc.networks.activations import SELU_LEFT, SELU_RIGHT
from distnlc.networks.mlp import EPSILON
from distnlc.training import optimizers
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.optimizers import Adam
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start

ACTIVATIONS = {
    "relu": 0,
    "selu": 1,
    "tanh": 2,
    "sigmoid": 3,
    "even-tanh": 4,
    "gaussian": 5,
    "square": 6,
    "odd-square": 7,
}
"""activation function -> its number in native.c"""
NORMALIZATIONS = {"none": 0, "batch": 1, "layer": 2}
SKIPS = {"linear": 1, "normalization": 2}
CACHE_LINE = 8  # float64 elements


class Network(ctypes.Structure):
    """`Network` of native.c."""

    _fields_ = (
        *((name, ctypes.c_int64) for name in ("depth", "width", "d_in", "d_out", "batch", "stride")),
        *((name, ctypes.c_int64) for name in ("activation", "normalization", "skips")),
        *((name, ctypes.c_double) for name in ("dilation", "shift", "scale", "offset", "selu_right", "selu_left")),
        *((name, ctypes.c_double) for name in ("skip_strength", "epsilon", "loss_scale")),
        *((name, ctypes.c_void_p) for name in ("projection", "gemm", "workspace")),
    )


class AdamState(ctypes.Structure):
    """`Adam` of native.c."""

    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("first", "second", "gradients")),
        *((name, ctypes.c_double) for name in ("beta1", "beta2", "epsilon", "steps")),
    )


def activation_number(name: str) -> int:
    """Raises NoLibrary for a function that native.c does not know."""
    if name not in ACTIVATIONS:
        raise NoLibrary(f"native.c does not know the activation function {name!r}")
    return ACTIVATIONS[name]


class NativeProgram:
    """Implements `Program`. Raises NoLibrary where native.c cannot be compiled or has no BLAS."""

    def __init__(self, start: Start, rows: Tensor, spec: TrainingSpec) -> None:
        drawn, self.dtype = start.architecture, rows.dtype
        if rows.shape[1:] != start.row.shape:  # C would read beyond the end; a checkpoint may come from anybody
            raise ValueError(f"expected rows of {len(start.row)} parameters, found {tuple(rows.shape)}")
        loaded = library(rows.dtype)
        self._c = loaded.functions
        self.flat = rows.clone()
        self.adam = Adam.start(rows) if spec.optimizer == "adam" else None
        self._gradients = torch.empty_like(rows[0]) if spec.optimizer == "adam" else None
        self._projection = None if start.projection is None else start.projection.to(rows).contiguous()
        activation = drawn.activation_function
        self._network = Network(
            depth=drawn.depth,
            width=drawn.width,
            d_in=drawn.d_in,
            d_out=drawn.d_out,
            batch=spec.batch_size,
            stride=_row_stride(spec.batch_size),
            activation=activation_number(drawn.activation),
            normalization=NORMALIZATIONS[drawn.normalization],
            skips=SKIPS[drawn.skip_start] if drawn.skip_strength > 0 else 0,
            dilation=activation.dilation,
            shift=activation.shift,
            scale=activation.scale,
            offset=activation.offset,
            selu_right=SELU_RIGHT,
            selu_left=SELU_LEFT,
            skip_strength=drawn.skip_strength,
            epsilon=EPSILON,
            loss_scale=start.loss_scale,
            projection=None if self._projection is None else self._projection.data_ptr(),
            gemm=loaded.gemm,
            workspace=None,
        )
        size = self._c.workspace_size(ctypes.byref(self._network))
        if size < 0:
            raise NoLibrary(f"native.c does not know a network with {drawn.label()}")
        self._workspace = rows.new_zeros(size)
        self._network.workspace = self._workspace.data_ptr()

    def train_epoch(self, inputs: Tensor, labels: Tensor, rates: Tensor) -> Tensor:
        self._check(inputs, labels)
        if len(rates) != len(self.flat):
            raise ValueError(f"expected a rate for each of {len(self.flat)} members, found {len(rates)}")
        losses = [self._train(row, inputs, labels, rate) for row, rate in enumerate(rates.tolist())]
        return torch.tensor(losses, dtype=torch.float64)

    def _train(self, row: int, inputs: Tensor, labels: Tensor, rate: float) -> float:
        state = None
        if self.adam is not None and self._gradients is not None:
            state = AdamState(
                self.adam.first[row].data_ptr(),
                self.adam.second[row].data_ptr(),
                self._gradients.data_ptr(),
                optimizers.BETA1,
                optimizers.BETA2,
                optimizers.EPSILON,
                self.adam.steps[row].item(),
            )
        loss: float = self._c.train_epoch(
            ctypes.byref(self._network),
            *(ctypes.c_void_p(tensor.data_ptr()) for tensor in (self.flat[row], inputs, labels)),
            ctypes.c_int64(len(labels)),
            ctypes.c_double(rate),
            None if state is None else ctypes.byref(state),
        )
        if state is not None and self.adam is not None:
            self.adam.steps[row] = state.steps
        return loss

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._check(inputs, labels)
        counts = [
            self._c.count_errors(
                ctypes.byref(self._network),
                *(ctypes.c_void_p(tensor.data_ptr()) for tensor in (row, inputs, labels)),
                ctypes.c_int64(len(labels)),
            )
            for row in self.flat
        ]
        wrong = torch.tensor(counts, dtype=torch.int64)
        return torch.where(wrong < 0, -1 - wrong, wrong), wrong >= 0

    def propagate(self, batch: Tensor, *, keep: bool) -> Tensor:
        """One minibatch, as rows, through the first member: (batch, d_in) -> (batch, d_out). With `keep`, `pull_back`
        may follow, any number of times."""
        c = self._network
        inputs, outputs = self._columns(batch, c.d_in), self.flat.new_empty(c.d_out, c.batch)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (self.flat[0], inputs, outputs))
        self._c.propagate(ctypes.byref(c), *pointers, ctypes.c_int64(keep))
        return outputs.T

    def pull_back(self, vectors: Tensor) -> Tensor:
        """Vectors (batch, d_out) at the outputs of the minibatch that was kept, times its Jacobian: (batch, d_in)."""
        c = self._network
        columns, pulled = self._columns(vectors, c.d_out), self.flat.new_empty(c.d_in, c.batch)
        pointers = (ctypes.c_void_p(tensor.data_ptr()) for tensor in (self.flat[0], columns, pulled))
        self._c.pull_back(ctypes.byref(c), *pointers)
        return pulled.T

    def _columns(self, matrix: Tensor, width: int) -> Tensor:
        expected = (self._network.batch, width)
        if matrix.shape != expected or matrix.dtype != self.dtype:
            raise ValueError(f"expected {expected} of {self.dtype}, found {tuple(matrix.shape)} of {matrix.dtype}")
        return matrix.T.contiguous()

    def keep(self, rows: Tensor) -> None:
        self.flat = self.flat[rows]
        if self.adam is not None:
            self.adam = self.adam.take(rows)

    def _check(self, inputs: Tensor, labels: Tensor) -> None:
        """Raises ValueError for tensors that C would misread, or read beyond their end."""
        expected = (self._network.d_in, len(labels))
        if inputs.shape != expected or inputs.dtype != self.dtype or not inputs.is_contiguous():
            raise ValueError(
                f"inputs must be contiguous {expected} of {self.dtype}, but are {tuple(inputs.shape)} of {inputs.dtype}"
            )
        if labels.dtype != torch.int64 or not labels.is_contiguous() or len(labels) % self._network.batch:
            raise ValueError(f"labels must be contiguous int64, in whole batches of {self._network.batch}")
        if labels.min() < 0 or labels.max() >= self._network.d_out:
            raise ValueError(f"labels must be from 0 to {self._network.d_out - 1}")
        if not self.flat.is_contiguous():
            raise ValueError("the rows of parameters must be contiguous")


def _row_stride(batch_size: int) -> int:
    """Elements from one row of a signal to the next: an odd number of whole cache lines, since rows whose distance is
    a power of two would compete for the same places in the cache."""
    lines = -(-batch_size // CACHE_LINE)
    return CACHE_LINE * (lines + 1 - lines % 2)
