"""The program of a population in plain torch operations, for every device; see `start.py`.

A step (one minibatch forward, backward, update) reads and writes tensors that stay where they are. On a GPU it is
therefore captured once as a CUDA graph and replayed, since starting its hundreds of small kernels one by one would
take longer than they run; likewise the forward pass that counts errors. Members that leave change the shapes, and
the next epoch captures anew.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.networks.loss import cross_entropy_and_delta
from distnlc.training.mlp_population import PopulationMLP
from distnlc.training.optimizers import Adam
from distnlc.training.spec import TrainingSpec
from distnlc.training.start import Start


class MLPProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, rows: Tensor, spec: TrainingSpec) -> None:
        self.loss_scale, self.classes, self.batch_size = start.loss_scale, start.architecture.d_out, spec.batch_size
        self.population = PopulationMLP(start.architecture, rows, start.projection, batch_size=spec.batch_size)
        self.adam = Adam.start(rows) if spec.optimizer == "adam" else None
        self._inputs = rows.new_empty(start.architecture.d_in, spec.batch_size)
        self._one_hot = rows.new_empty(self.classes, spec.batch_size)
        self._labels = torch.empty(spec.batch_size, dtype=torch.int64, device=rows.device)
        self._bind(len(rows))

    @property
    def flat(self) -> Tensor:
        return self.population.flat

    def _bind(self, members: int) -> None:
        """Makes everything that has the population's size."""
        self._rates = self.flat.new_empty(members, 1)
        self._loss_sum = self.flat.new_empty(members)
        self._gradients = None if self.adam is None else torch.empty_like(self.flat)
        self._wrong = torch.empty(members, dtype=torch.int64, device=self.flat.device)
        self._finite = torch.empty(members, dtype=torch.bool, device=self.flat.device)
        on_gpu = self.flat.device.type == "cuda"
        self._train = _Captured() if on_gpu else _run  # they must not hold this program: a cycle would keep its memory
        self._count = _Captured() if on_gpu else _run

    def train_epoch(self, inputs: Tensor, labels: Tensor, rates: Tensor) -> Tensor:
        one_hot = functional.one_hot(labels, self.classes).to(inputs.dtype).T
        self._rates.copy_(rates[:, None])
        self._loss_sum.zero_()
        batches = list(zip(inputs.split(self.batch_size, 1), one_hot.split(self.batch_size, 1), strict=True))
        for batch, target in batches:
            self._inputs.copy_(batch)
            self._one_hot.copy_(target)
            self._train(self.train_step)
        return self._loss_sum / len(batches)

    def train_step(self) -> None:
        outputs = self.population.forward(self._inputs, training=True)
        losses, delta = cross_entropy_and_delta(outputs, self._one_hot, loss_scale=self.loss_scale)
        self._loss_sum.add_(losses)
        if self.adam is None or self._gradients is None:
            self.population.backward(self._inputs, delta.mul_(self._rates[:, :, None]))
        else:
            self.population.backward(self._inputs, delta, self._gradients)
            self.flat.sub_(self.adam.update(self._gradients).mul_(self._rates))

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._wrong.zero_()
        self._finite.fill_(True)
        for batch, target in zip(inputs.split(self.batch_size, 1), labels.split(self.batch_size), strict=True):
            self._inputs.copy_(batch)
            self._labels.copy_(target)
            self._count(self.count_step)
        return self._wrong.clone(), self._finite.clone()

    def count_step(self) -> None:
        outputs = self.population.forward(self._inputs, training=False)
        self._wrong.add_((outputs.argmax(1) != self._labels).sum(1))
        self._finite.logical_and_(outputs.isfinite().flatten(1).all(1))

    def keep(self, rows: Tensor) -> None:
        self.population.keep(rows)
        if self.adam is not None:
            self.adam = self.adam.take(rows)
        self._bind(len(rows))


def _run(step: Callable[[], None]) -> None:
    step()


class _Captured:
    """A step on a GPU: run plainly the first time (as warm-up, with its full effect), then captured and replayed.
    Every call must be with the same step."""

    def __init__(self) -> None:
        self._warm = False
        self._graph: torch.cuda.CUDAGraph | None = None

    def __call__(self, step: Callable[[], None]) -> None:
        if not self._warm:
            beside = torch.cuda.Stream()  # captures must not come first on the stream that they are captured on
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                step()
            torch.cuda.current_stream().wait_stream(beside)
            self._warm = True
            return
        if self._graph is None:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                step()
        self._graph.replay()
