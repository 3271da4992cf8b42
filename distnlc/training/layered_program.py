"""The program of a population in plain torch operations, for every device; see `start.py`.

A step (one minibatch forward, backward, update) reads and writes tensors that stay where they are, and so does the
forward pass that counts errors: on a GPU both are captured as CUDA graphs (`captured.py`). Members that leave change
the shapes, and the next epoch captures anew.
"""

import torch
from torch import Tensor
from torch.nn import functional

from distnlc.networks.layered import Layered
from distnlc.networks.loss import losses_and_delta
from distnlc.training import optimizers
from distnlc.training.captured import repeated
from distnlc.training.layered_population import LayeredPopulation
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start


class LayeredProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, spec: StepSpec) -> None:
        """The population has a member for each row of `start`. Raises ValueError if the network is a module."""
        if not isinstance(start.network, Layered):
            raise ValueError("a network that is a module of its own is trained by the module program")
        self.network, self.spec = start.network, spec
        self.population = LayeredPopulation(start.network, start.rows, start.buffers, batch_size=spec.batch_size)
        self._loss_scale = start.loss_scale[:, None, None].to(start.rows)
        self._optimizer = optimizers.initial_state(spec, self.flat)
        self._sizes = torch.tensor([d_out * d_in + biases for d_out, d_in, biases in start.network.sizes])
        self._sizes = self._sizes.to(self.flat.device)
        self._bind(len(start.rows))

    @property
    def flat(self) -> Tensor:
        return self.population.flat

    @property
    def state(self) -> dict[str, Tensor]:
        return {"flat": self.flat, **self._optimizer}

    def plain(self, flat: Tensor) -> Tensor:
        return flat

    def place(self, rows: Tensor) -> None:
        self.flat.copy_(rows)

    def _bind(self, members: int) -> None:
        """Makes everything that has the population's size. The step's inputs and targets stand for all members until
        each has its own."""
        self._inputs = self.flat.new_empty(0)
        self._rates = self.flat.new_empty(members, 1)
        self._loss_sum = self.flat.new_empty(members)
        self._gradients: Tensor | None = None
        self._wrong = torch.empty(members, dtype=torch.int64, device=self.flat.device)
        self._finite = torch.empty(members, dtype=torch.bool, device=self.flat.device)
        self._forget_captures()

    def _forget_captures(self) -> None:
        """Captures anew what comes next."""
        self._train = repeated(self.flat.device)
        self._count = repeated(self.flat.device)

    def _make_place(self, shared: int, by_layer: bool) -> None:
        """Makes the tensors that a step reads: one minibatch for all members or for each (`shared` is 1 or their
        number), and the rates of members or also of all their parameters."""
        rate_columns = self.flat.shape[1] if by_layer else 1
        if self._inputs.shape[:1] == (shared,) and self._rates.shape[1] == rate_columns:
            return
        self._inputs = self.flat.new_empty(shared, self.network.d_in, self.spec.batch_size)
        self._labels = torch.empty(shared, self.spec.batch_size, dtype=torch.int64, device=self.flat.device)
        self._one_hot = self.flat.new_empty(shared, self.network.d_out, self.spec.batch_size)
        self._rates = self.flat.new_empty(len(self.flat), rate_columns)
        in_place = self.spec.optimizer == "sgd" and self.spec.weight_decay == 0 and not by_layer
        self._gradients = None if in_place else torch.empty_like(self.flat)
        self._forget_captures()

    def _ensure_place(self) -> None:
        """Leaves what training has made, whose places hold the same minibatch for all members just as well."""
        if not len(self._inputs):
            self._make_place(1, by_layer=False)

    def _set(self, inputs: Tensor, labels: Tensor) -> None:
        """Puts one minibatch (1 or population, batch, d_in) and its labels where the step reads them."""
        self._inputs.copy_(inputs.mT)
        self._labels.copy_(labels)
        self._one_hot.copy_(functional.one_hot(labels, self.network.d_out).mT)

    def train(self, inputs: Tensor, labels: Tensor, orders: Tensor, rates: Tensor) -> Tensor:
        by_layer = rates.shape[1] > 1
        self._make_place(len(orders), by_layer)
        self._rates.copy_(rates.repeat_interleave(self._sizes, 1) if by_layer else rates)
        self._loss_sum.zero_()
        batches = orders.split(self.spec.batch_size, 1)
        for batch in batches:
            self._set(inputs[batch], labels[batch])
            self._train(self.train_step)
        return self._loss_sum / len(batches)

    def train_step(self) -> None:
        self._loss_sum.add_(self._losses_backward(self._gradients, self._rates[:, :, None]))
        if self._gradients is None:
            return
        if self.spec.weight_decay:
            self._gradients.add_(self.flat, alpha=self.spec.weight_decay)
        moved = optimizers.update(self.spec, self._optimizer, self._gradients)
        # a layer of rate 0 is frozen, also where its gradient is not finite
        self.flat.sub_(torch.where(self._rates == 0, 0, moved * self._rates))

    def _losses_backward(self, gradients: Tensor | None, rates: Tensor) -> Tensor:
        """The losses of the minibatch at hand; writes the gradients, or without a place for them takes the step."""
        outputs = self.population.forward(self._inputs, training=True)
        losses, delta = losses_and_delta(self.spec.loss, outputs, self._one_hot, self._loss_scale)
        self.population.backward(self._inputs, delta if gradients is not None else delta.mul_(rates), gradients)
        return losses

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._ensure_place()
        if len(labels) != self.spec.batch_size:
            raise ValueError(f"expected one minibatch of {self.spec.batch_size} points, found {len(labels)}")
        self._set(inputs[None], labels[None])
        gradients = torch.empty_like(self.flat)
        return self._losses_backward(gradients, self._rates), gradients

    def outputs(self, inputs: Tensor) -> Tensor:
        self._ensure_place()
        found = []
        for batch in inputs.split(self.spec.batch_size):
            self._inputs.copy_(batch.T)
            found.append(self.population.forward(self._inputs, training=False).mT.clone())
        return torch.cat(found, 1)

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        self._ensure_place()
        self._wrong.zero_()
        self._finite.fill_(True)
        for batch, target in zip(inputs.split(self.spec.batch_size), labels.split(self.spec.batch_size), strict=True):
            self._inputs.copy_(batch.T)
            self._labels.copy_(target)
            self._count(self.count_step)
        return self._wrong.clone(), self._finite.clone()

    def count_step(self) -> None:
        outputs = self.population.forward(self._inputs, training=False)
        self._wrong.add_((outputs.argmax(1) != self._labels).sum(1))
        self._finite.logical_and_(outputs.isfinite().flatten(1).all(1))

    def keep(self, rows: Tensor) -> None:
        self.population.keep(rows)
        self._optimizer = {name: tensor[rows] for name, tensor in self._optimizer.items()}
        self._loss_scale = self._loss_scale[rows]
        self._bind(len(rows))
