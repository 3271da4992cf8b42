"""The program of a population on a CPU: native.c, one run after the other; see `start.py`.

A population of tiny networks in torch is bound by what lies between the products: every operation reads and writes
all runs' signals, which do not fit into the cache. Here a run's whole epoch is one call, which works layer by layer
on memory that stays in the cache.
"""

import ctypes

import torch
from torch import Tensor

from distnlc.networks.layered import Layered
from distnlc.training import optimizers
from distnlc.training.native_form import Run, layers_of, network_of
from distnlc.training.native_library import NoLibrary, library
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start


class NativeProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, spec: StepSpec) -> None:
        """The population has a member for each row of `start`. Raises NoLibrary where native.c cannot be compiled, has
        no BLAS, or does not know the network."""
        if not isinstance(start.network, Layered):
            raise NoLibrary("native.c knows layered networks alone")
        self.form, self.spec, self.dtype = start.network, spec, start.rows.dtype
        expected, found = (
            (self.form.parameters, self.form.matrix_numbers),
            (start.rows.shape[1], start.buffers.shape[1]),
        )
        if found != expected:  # C would read beyond the end; a checkpoint may come from anybody
            raise ValueError(
                f"expected rows of {expected[0]} parameters and {expected[1]} fixed numbers, found {found}"
            )
        loaded = library(self.dtype)
        self._c = loaded.functions
        self.flat = start.rows.clone()
        self._optimizer = optimizers.initial_state(spec, self.flat)
        self._buffers = start.buffers.clone(memory_format=torch.contiguous_format)
        self._loss_scale = start.loss_scale.tolist()
        self._gradients = torch.empty_like(self.flat[0])
        self._layers = layers_of(self.form)
        self._network = network_of(self.form, self._layers, spec, loaded.gemm)
        size = self._c.workspace_size(ctypes.byref(self._network))
        if size < 0:
            raise NoLibrary(f"native.c does not know a network of layers {self.form.layers}")
        self._workspace = self.flat.new_zeros(size)
        self._network.workspace = self._workspace.data_ptr()

    @property
    def state(self) -> dict[str, Tensor]:
        return {"flat": self.flat, **self._optimizer}

    def plain(self, flat: Tensor) -> Tensor:
        return flat

    def place(self, rows: Tensor) -> None:
        self.flat.copy_(rows)

    def _run(self, row: int, *, rates: Tensor | None = None, gradients: Tensor | None = None) -> Run:
        """One member for C, which does not keep the tensors alive."""
        state = {name: tensor[row].data_ptr() for name, tensor in self._optimizer.items() if name != "steps"}
        steps = self._optimizer["steps"][row].item() if "steps" in self._optimizer else 0.0
        if not self.flat.is_contiguous():
            raise ValueError("the rows of parameters must be contiguous")
        return Run(
            row=self.flat[row].data_ptr(),
            buffers=self._buffers[row].data_ptr(),
            rates=None if rates is None else rates.data_ptr(),
            gradients=(self._gradients if gradients is None else gradients).data_ptr(),
            loss_scale=self._loss_scale[row],
            steps=steps,
            **state,
        )

    def train(self, inputs: Tensor, labels: Tensor, orders: Tensor, rates: Tensor) -> Tensor:
        if len(rates) != len(self.flat):
            raise ValueError(f"expected a rate for each of {len(self.flat)} members, found {len(rates)}")
        if len(orders) not in {1, len(self.flat)}:
            raise ValueError(f"expected an order for one or for each of {len(self.flat)} members, found {len(orders)}")
        losses, rates = [], rates.double().expand(-1, self.form.depth).contiguous()
        inputs, labels, orders = inputs.contiguous(), labels.contiguous(), orders.contiguous()
        self._check_orders(inputs, labels, orders)
        for row in range(len(self.flat)):
            run = self._run(row, rates=rates[row])
            order = orders[row if len(orders) > 1 else 0]
            pointers = (ctypes.byref(run), *map(_pointer, (inputs, labels, order)))
            losses.append(self._c.train(ctypes.byref(self._network), *pointers, ctypes.c_int64(len(order))))
            if "steps" in self._optimizer:
                self._optimizer["steps"][row] = run.steps
        return torch.tensor(losses, dtype=torch.float64)

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        inputs, found, losses = inputs.contiguous(), torch.empty_like(self.flat), []
        self._check(inputs, labels)
        if len(labels) != self.spec.batch_size:
            raise ValueError(f"expected one minibatch of {self.spec.batch_size} points, found {len(labels)}")
        for row in range(len(self.flat)):
            run = self._run(row, gradients=found[row])
            pointers = (ctypes.byref(run), *map(_pointer, (inputs, labels)))
            losses.append(self._c.gradient(ctypes.byref(self._network), *pointers))
        return torch.tensor(losses, dtype=torch.float64), found

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        inputs, counts = inputs.contiguous(), []
        self._check(inputs, labels)
        for row in range(len(self.flat)):
            pointers = (ctypes.byref(self._run(row)), *map(_pointer, (inputs, labels)))
            counts.append(self._c.count_errors(ctypes.byref(self._network), *pointers, ctypes.c_int64(len(labels))))
        wrong = torch.tensor(counts, dtype=torch.int64)
        return torch.where(wrong < 0, -1 - wrong, wrong), wrong >= 0

    def outputs(self, inputs: Tensor) -> Tensor:
        return torch.stack([self.propagate(inputs, keep=False, row=row) for row in range(len(self.flat))])

    def propagate(self, inputs: Tensor, *, keep: bool, row: int = 0) -> Tensor:
        """Whole minibatches, as rows, through one member: (points, d_in) -> (points, d_out). With `keep`, `pull_back`
        may follow for the last minibatch, any number of times."""
        inputs = inputs.contiguous()
        self._check(inputs, None)
        outputs = self.flat.new_empty(self.form.d_out, len(inputs))
        pointers = (ctypes.byref(self._run(row)), *map(_pointer, (inputs, outputs)))
        counts = (ctypes.c_int64(len(inputs)), ctypes.c_int64(keep))
        self._c.propagate(ctypes.byref(self._network), *pointers, *counts)
        return outputs.T

    def pull_back(self, vectors: Tensor) -> Tensor:
        """Vectors (batch, d_out) at the outputs of the minibatch that was kept, times its Jacobian: (batch, d_in)."""
        expected = (self.spec.batch_size, self.form.d_out)
        if vectors.shape != expected or vectors.dtype != self.dtype:
            raise ValueError(f"expected {expected} of {self.dtype}, found {tuple(vectors.shape)} of {vectors.dtype}")
        columns, pulled = vectors.T.contiguous(), self.flat.new_empty(self.form.d_in, self.spec.batch_size)
        pointers = (ctypes.byref(self._run(0)), *map(_pointer, (columns, pulled)))
        self._c.pull_back(ctypes.byref(self._network), *pointers)
        return pulled.T

    def keep(self, rows: Tensor) -> None:
        self.flat = self.flat[rows]
        self._optimizer = {name: tensor[rows] for name, tensor in self._optimizer.items()}
        self._buffers = self._buffers[rows]
        self._loss_scale = [self._loss_scale[row] for row in rows.tolist()]

    def _check_orders(self, inputs: Tensor, labels: Tensor, orders: Tensor) -> None:
        """Raises ValueError as `_check`."""
        size, points = self.spec.batch_size, len(inputs)
        if orders.dtype != torch.int64 or orders.shape[1] % size:
            raise ValueError(f"orders must be int64 in whole batches of {size}, found {tuple(orders.shape)}")
        if orders.numel() and (orders.min() < 0 or orders.max() >= points):
            raise ValueError(f"orders must be from 0 to {points - 1}")
        self._check(inputs, labels, whole=False)

    def _check(self, inputs: Tensor, labels: Tensor | None, *, whole: bool = True) -> None:
        """Raises ValueError for tensors that C would misread, or read beyond their end."""
        size, d_out = self.spec.batch_size, self.form.d_out
        if inputs.shape[1:] != (self.form.d_in,) or inputs.dtype != self.dtype or (whole and len(inputs) % size):
            raise ValueError(
                f"inputs must be (points, {self.form.d_in}) of {self.dtype}{f', in whole batches of {size}' * whole}, "
                f"but are {tuple(inputs.shape)} of {inputs.dtype}"
            )
        if labels is None:
            return
        if labels.dtype != torch.int64 or labels.shape != inputs.shape[:1] or not labels.is_contiguous():
            raise ValueError(f"labels must be contiguous int64 of {len(inputs)} points, found {tuple(labels.shape)}")
        if len(labels) and (labels.min() < 0 or labels.max() >= d_out):
            raise ValueError(f"labels must be from 0 to {d_out - 1}")


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())
