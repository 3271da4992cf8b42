"""The program of a population on a GPU: one captured graph a minibatch, few and fused kernels in it; see `start.py`.

Covers every layered network, loss and optimizer but for what `fused_form.py` names, which is left to the plain program
(`layered_program.py`). A step is one launch, that of its graph: the minibatch is gathered on the device, by the epoch's
order and a counter that each step moves on.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from triton import cdiv, next_power_of_2

from distnlc.networks.layered import Layered
from distnlc.training import fused_step_kernels as kernels
from distnlc.training import optimizers
from distnlc.training.captured import repeated
from distnlc.training.fused_population import FusedPopulation
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start

GATHERED = 32
"""points, and features, of a tile that `gather` transposes"""
TILE = 4096
"""outputs that the kernels of loss and errors hold at a time"""
BLOCK, WARPS = 1024, 8
"""parameters that a program of `update` moves; warps of all but the small kernels"""


@dataclass
class _Data:
    """What the steps read. A graph holds its addresses, so that it lives as long as the graph."""

    inputs: Tensor
    """(points, d_in)"""
    labels: Tensor
    orders: Tensor
    """(1 or members, at least updates * batch): the points of the minibatches, for all members or for each"""

    def __post_init__(self) -> None:
        self.inputs, self.labels = self.inputs.contiguous(), self.labels.contiguous()


class FusedProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, spec: StepSpec) -> None:
        """The population has a member for each row of `start`; `programs.py` asks whether all of it is covered."""
        assert isinstance(start.network, Layered)
        self.network, self.spec = start.network, spec
        self.population = FusedPopulation(start.network, start.rows, start.buffers, batch_size=spec.batch_size)
        self._loss_scale = start.loss_scale.to(start.rows).clone(memory_format=torch.contiguous_format)
        self._optimizer = optimizers.initial_state(spec, self.flat)
        sizes = [matrix.end - matrix.start for matrix in self.population.layout.matrices]
        self._sizes = torch.tensor(sizes, device=self.flat.device)
        self._step = torch.zeros(1, dtype=torch.int64, device=self.flat.device)
        self._bind()

    @property
    def flat(self) -> Tensor:
        return self.population.flat

    @property
    def state(self) -> dict[str, Tensor]:
        return {"flat": self.flat, **self._optimizer}

    def plain(self, flat: Tensor) -> Tensor:
        return self.population.layout.plain(flat)

    def place(self, rows: Tensor) -> None:
        self.flat.copy_(self.population.layout.pad(rows))

    def _bind(self) -> None:
        """Makes everything that has the population's size."""
        members, device = len(self.flat), self.flat.device
        self._inputs = self.flat.new_empty(0)
        self._rates = self.flat.new_empty(members, 1)
        self._losses = self.flat.new_empty(members)
        self._wrong, self._not_finite = torch.empty(2, members, dtype=torch.int64, device=device)
        self._gradients: Tensor | None = None
        self._forget_captures()

    def _forget_captures(self) -> None:
        """Captures anew what comes next. The graphs there were go at once, with the memory of their pools, and both
        together: one that is destroyed takes cuBLAS's workspace from all that were captured (pytorch issue 193402)."""
        self._trained: _Data | None = None
        self._counted: _Data | None = None
        self._train, self._count = repeated(self.flat.device), repeated(self.flat.device)

    def _make_place(self, shared: int, by_layer: bool) -> None:
        """Makes the tensors that a step reads: one minibatch for all members or for each (`shared` is 1 or their
        number), and the rates of members or of all their parameters."""
        columns = self.flat.shape[1] if by_layer else 1
        if self._inputs.shape[:1] == (shared,) and self._rates.shape[1] == columns:
            return
        self._inputs = self.population.with_ones(shared, self.network.d_in, like=self.flat)
        self._rates = self.flat.new_empty(len(self.flat), columns)
        in_place = self.spec.optimizer == "sgd" and self.spec.weight_decay == 0 and not by_layer
        self._gradients = None if in_place else torch.zeros_like(self.flat)
        self._forget_captures()

    def _ensure_place(self) -> None:
        """Leaves what training has made, whose places hold the same minibatch for all members just as well."""
        if not len(self._inputs):
            self._make_place(1, by_layer=False)

    def train(self, inputs: Tensor, labels: Tensor, orders: Tensor, rates: Tensor) -> Tensor:
        by_layer = rates.shape[1] > 1
        self._make_place(len(orders), by_layer)
        self._rates.copy_(rates.repeat_interleave(self._sizes, 1) if by_layer else rates)
        data = self._trained
        if data is None or data.inputs is not inputs or data.labels is not labels or _shorter(data.orders, orders):
            if data is not None:
                self._forget_captures()
            self._trained = data = _Data(inputs, labels, torch.zeros_like(orders).contiguous())
        data.orders[:, : orders.shape[1]] = orders
        self._losses.zero_()
        self._step.zero_()
        updates = orders.shape[1] // self.spec.batch_size
        for _ in range(updates):
            self._train(self.train_step)
        return self._losses / updates

    def train_step(self) -> None:
        assert self._trained is not None
        self._losses_backward(self._trained, self._gradients)
        if self._gradients is not None:
            self._update(self._gradients)
        kernels.advance[(1,)](self._step)

    def _losses_backward(self, data: _Data, gradients: Tensor | None) -> None:
        """Adds the losses of the minibatch; writes the gradients, or without a place for them takes the step."""
        self._gather(data)
        value = self.population.forward(self._inputs, training=True)
        kernels.loss_and_delta[(len(self.flat),)](
            value, self._losses, *self._answers(data), self._loss_scale, self._rates, *self._shape(data, value),
            LOSS=self.spec.loss, RATED=gradients is None, num_warps=WARPS, **self._tile(),
        )  # fmt: skip
        self.population.backward(self._inputs, gradients)

    def _gather(self, data: _Data) -> None:
        d_in, size = self.network.d_in, self.spec.batch_size
        grid = (cdiv(size, GATHERED), cdiv(d_in, GATHERED), len(self._inputs))
        numbers = (d_in, size, _row(data.orders), self._inputs.stride(0))
        tile = {"FEATURES": GATHERED, "POINTS": GATHERED, "STRIDE": self.population.stride}
        kernels.gather[grid](data.inputs, data.orders, self._step, self._inputs, *numbers, **tile)

    def _answers(self, data: _Data) -> tuple[Tensor, Tensor, Tensor]:
        return data.labels, data.orders, self._step

    def _shape(self, data: _Data, value: Tensor) -> tuple[int, int, int, int]:
        return self.network.d_out, self.spec.batch_size, _row(data.orders), value.stride(0)

    def _tile(self) -> dict[str, int]:
        classes = next_power_of_2(self.network.d_out)
        columns = min(TILE // classes, next_power_of_2(self.spec.batch_size))
        return {"CLASSES": classes, "COLUMNS": columns, "STRIDE": self.population.stride}

    def _update(self, gradients: Tensor) -> None:
        """Moves the parameters by their gradients, in one kernel after the counting of updates."""
        spec, rates = self.spec, self._rates
        first, second = (self._optimizer.get(name, self.flat) for name in ("first", "second"))
        steps = self._optimizer.get("steps", self.flat)
        if "steps" in self._optimizer:
            steps.add_(1)
        members, parameters = self.flat.shape
        kernels.update[(cdiv(parameters, BLOCK), members)](
            self.flat, gradients, first, second, steps, rates, parameters, rates.stride(0),
            OPTIMIZER=spec.optimizer, MOMENTUM=spec.momentum, DECAY=spec.weight_decay, BY_LAYER=rates.shape[1] > 1,
            BLOCK=BLOCK, num_warps=WARPS,
        )  # fmt: skip

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._ensure_place()
        if len(labels) != self.spec.batch_size:
            raise ValueError(f"expected one minibatch of {self.spec.batch_size} points, found {len(labels)}")
        gradients = torch.zeros_like(self.flat)
        self._losses.zero_()
        self._step.zero_()
        self._losses_backward(_in_order(inputs, labels), gradients)
        return self._losses.clone(), self.plain(gradients)

    def outputs(self, inputs: Tensor) -> Tensor:
        self._ensure_place()
        data, size = _in_order(inputs, inputs.new_zeros(len(inputs), dtype=torch.int64)), self.spec.batch_size
        self._step.zero_()
        found = []
        for _ in range(len(inputs) // size):
            self._gather(data)
            value = self.population.forward(self._inputs, training=False)
            found.append(value[:, :-1, :size].mT.clone())
            kernels.advance[(1,)](self._step)
        return torch.cat(found, 1)

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._ensure_place()
        if self._counted is None or self._counted.inputs is not inputs or self._counted.labels is not labels:
            if self._counted is not None:
                self._forget_captures()
            self._counted = _in_order(inputs, labels)
        for tensor in (self._wrong, self._not_finite, self._step):
            tensor.zero_()
        for _ in range(len(labels) // self.spec.batch_size):
            self._count(self.count_step)
        return self._wrong.clone(), self._not_finite == 0

    def count_step(self) -> None:
        data = self._counted
        assert data is not None
        self._gather(data)
        value = self.population.forward(self._inputs, training=False)
        kernels.count_errors[(len(self.flat),)](
            value,
            self._wrong,
            self._not_finite,
            *self._answers(data),
            *self._shape(data, value),
            num_warps=WARPS,
            **self._tile(),
        )
        kernels.advance[(1,)](self._step)

    def keep(self, rows: Tensor) -> None:
        self.population.keep(rows)
        self._optimizer = {name: tensor[rows] for name, tensor in self._optimizer.items()}
        self._loss_scale = self._loss_scale[rows]
        self._bind()


def _in_order(inputs: Tensor, labels: Tensor) -> _Data:
    """All points as they come, the same for all members."""
    return _Data(inputs, labels, torch.arange(len(labels), device=inputs.device)[None])


def _row(orders: Tensor) -> int:
    """The distance from one member's order to the next one's."""
    return orders.shape[1] if len(orders) > 1 else 0


def _shorter(place: Tensor, orders: Tensor) -> bool:
    return len(place) != len(orders) or place.shape[1] < orders.shape[1]
