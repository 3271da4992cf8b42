"""The program of a population of any torch module, by torch.func; see `start.py`.

The members' parameters are stacked, and one vectorized call (`vmap` over `functional_call`) computes the losses and
gradients of a chunk of them: convolutional networks, residual blocks, whatever torch.func can vectorize. What it cannot
(a forward pass that looks at numbers, an operation without a rule) is computed one member after the other by plain
autograd, which is said once.

How many members are computed together follows from what autograd keeps of one minibatch and a fixed budget, never from
the memory that a machine happens to have free, since rounding depends on it. Modules are in training mode while they
are trained and in evaluation mode while they are measured. Their buffers (running statistics) are part of a run's
state. A module that draws random numbers in its forward pass (dropout) is computed one member after the other too, each
from numbers that its own seed and its own updates fix, so that a run does not depend on its company. Parameters without
`requires_grad` stay as they are.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from distnlc.networks.device_errors import of_device
from distnlc.networks.layered import Layered
from distnlc.networks.loss import mean_loss
from distnlc.networks.seeded import seeded
from distnlc.spec import derive_seed
from distnlc.training import optimizers
from distnlc.training.once import warn_once
from distnlc.training.spec import StepSpec
from distnlc.training.start import Start

CHUNK_BYTES = 2**30
"""that the members which are computed together may take, about"""
BUFFER = "buffer "
"""before the name of a module's buffer in a state"""

Numbers = dict[str, Tensor]


class ModuleProgram:
    """Implements `Program`."""

    def __init__(self, start: Start, spec: StepSpec) -> None:
        """The population has a member for each row of `start`. Raises ValueError for a layered network."""
        if isinstance(start.network, Layered):
            raise ValueError("a layered network is trained by a program of its own")
        self.spec, self.flat = spec, start.rows.clone()
        self.module = copy.deepcopy(start.network).to(start.rows.device, start.rows.dtype)
        parameters = dict(self.module.named_parameters())
        self._shapes = {name: value.shape for name, value in parameters.items()}
        self._sizes = torch.tensor([value.numel() for value in parameters.values()], device=self.flat.device)
        trained = torch.tensor([value.requires_grad for value in parameters.values()], device=self.flat.device)
        self._frozen = None if trained.all() else ~trained.repeat_interleave(self._sizes)
        self._buffers = self._spread(start.buffers)
        self._seeds = torch.tensor(start.expanded(len(self.flat)).seeds, device=self.flat.device)
        self._updates = torch.zeros(len(self.flat), 1, dtype=torch.int64, device=self.flat.device)
        self._loss_scale = start.loss_scale.to(self.flat)
        self._optimizer = optimizers.initial_state(spec, self.flat)
        self._vectorized = dict[str, bool]()
        """stage -> whether torch.func can compute it; a stage that was not tried yet is missing"""
        self._probe: _Probe | None = None

    @property
    def state(self) -> dict[str, Tensor]:
        buffers = {BUFFER + name: value for name, value in self._buffers.items()}
        return {"flat": self.flat, "updates": self._updates, **self._optimizer, **buffers}

    def plain(self, flat: Tensor) -> Tensor:
        return flat

    def place(self, rows: Tensor) -> None:
        self.flat.copy_(rows)

    def _spread(self, rows: Tensor) -> Numbers:
        """Every buffer by name, (population, *shape): floating-point ones out of the rows, the others as the module has
        them. Each is a tensor of its own, since torch.func changes views of a larger one in a copy."""
        found, position = Numbers(), 0
        for name, value in self.module.named_buffers():
            if value.is_floating_point():
                part = rows[:, position : position + value.numel()]
                position += value.numel()
            else:
                part = value.expand(len(rows), *value.shape)
            found[name] = part.reshape(len(rows), *value.shape).clone()
        return found

    def train(self, inputs: Tensor, labels: Tensor, orders: Tensor, rates: Tensor) -> Tensor:
        if rates.shape[1] > 1:
            rates = rates.repeat_interleave(self._sizes, 1)
        frozen = rates == 0 if self._frozen is None else (rates == 0) | self._frozen
        some_frozen = bool(frozen.any())
        loss_sum = self.flat.new_zeros(len(self.flat))
        batches = orders.split(self.spec.batch_size, 1)
        for batch in batches:
            losses, gradients = self._losses_and_gradients(inputs[batch], labels[batch])
            loss_sum += losses
            if self.spec.weight_decay:
                gradients.add_(self.flat, alpha=self.spec.weight_decay)
            moved = optimizers.update(self.spec, self._optimizer, gradients)
            if some_frozen:  # also where a gradient is not finite
                moved = moved.masked_fill(frozen, 0)
            self.flat.addcmul_(moved, rates, value=-1)
            self._updates += 1
        return loss_sum / len(batches)

    def gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        kept = {name: tensor.clone() for name, tensor in self.state.items()}
        found = self._losses_and_gradients(inputs[None], labels[None])
        for name, tensor in self.state.items():  # to look at a gradient moves no running statistics
            tensor.copy_(kept[name])
        return found

    def _losses_and_gradients(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """One minibatch (1, batch, ...) for all members, or one for each."""

        def loss(parameters: Numbers, buffers: Numbers, scale: Tensor, inputs: Tensor, labels: Tensor) -> Tensor:
            outputs = functional_call(self.module, (parameters, buffers), (inputs,))
            return mean_loss(self.spec.loss, outputs, labels, scale)

        self.module.train()
        losses, gradients = [], []
        for members in self._chunks(inputs[0]):
            found, values = self._each("training", grad_and_value(loss), _by_autograd(loss), members, [inputs, labels])
            losses.append(values.detach())
            flat = [found[name].detach().reshape(len(values), -1) for name in self._shapes]  # scalars have no axis 1
            gradients.append(torch.cat(flat, 1))
        return torch.cat(losses), torch.cat(gradients)

    @torch.no_grad()
    def outputs(self, inputs: Tensor) -> Tensor:
        def predict(parameters: Numbers, buffers: Numbers, _scale: Tensor, inputs: Tensor) -> Any:
            return functional_call(self.module, (parameters, buffers), (inputs,))

        self.module.eval()
        found = []
        for batch in inputs.split(self.spec.batch_size):
            chunks = self._chunks(batch)
            each = [self._each("evaluation", predict, predict, members, [batch[None]]) for members in chunks]
            found.append(torch.cat(each))
        return torch.cat(found, 1)

    def count_errors(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        outputs = self.outputs(inputs)
        return (outputs.argmax(2) != labels).sum(1), outputs.isfinite().flatten(1).all(1)

    def keep(self, rows: Tensor) -> None:
        self.flat, self._loss_scale = self.flat[rows], self._loss_scale[rows]
        self._seeds, self._updates = self._seeds[rows], self._updates[rows]
        self._optimizer = {name: tensor[rows] for name, tensor in self._optimizer.items()}
        self._buffers = {name: tensor[rows] for name, tensor in self._buffers.items()}

    def _chunks(self, batch: Tensor) -> Iterator[slice]:
        """The members that are computed together."""
        if self._probe is None:
            self._probe = _Probe(self.module, batch)
        together = max(1, CHUNK_BYTES // (self._probe.kept_bytes + 4 * self.flat[0].nbytes))
        for first in range(0, len(self.flat), together):
            yield slice(first, min(first + together, len(self.flat)))

    def _each(
        self,
        stage: str,
        function: Callable[..., Any],
        plainly: Callable[..., Any],
        members: slice,
        given: Sequence[Tensor],
    ) -> Any:
        """The function of each of these members' parameters, buffers and loss scale, and of what it is `given` (one
        for all or one for each): vectorized, or `plainly` one after the other."""
        parts = zip(self._shapes.items(), self.flat[members].split(self._sizes.tolist(), 1), strict=True)
        parameters = {name: part.view(-1, *shape) for (name, shape), part in parts}
        buffers = {name: value[members] for name, value in self._buffers.items()}
        numbers = (parameters, buffers, self._loss_scale[members])
        own = [len(each) > 1 for each in given]
        arguments = [each[members] if mine else each[0] for each, mine in zip(given, own, strict=True)]
        with _exact_convolutions(self.flat.device):
            if not (self._probe and self._probe.draws) and self._vectorized.get(stage, True):
                axes = (0, 0, 0, *(0 if mine else None for mine in own))
                found = self._tried(stage, lambda: vmap(function, in_dims=axes)(*numbers, *arguments), buffers)
                if found is not None:
                    return found
            results = []
            for row in range(members.stop - members.start):
                with self._stream(members.start + row):
                    results.append(plainly(*_rows_of(numbers, row), *_own(arguments, own, row)))
            return _stacked(results)

    def _tried(self, stage: str, vectorized: Callable[[], Any], buffers: Numbers) -> Any:
        """What the vectorized call gives; None if torch.func cannot compute the stage, with the buffers as before."""
        if self._vectorized.get(stage):
            return vectorized()
        kept = {name: value.clone() for name, value in buffers.items()}
        try:
            found = vectorized()
        except (RuntimeError, ValueError, NotImplementedError, TypeError) as error:  # torch.func refuses by all of them
            if of_device(error):
                raise
            self._vectorized[stage] = False
            for name, value in kept.items():
                buffers[name].copy_(value)
            reason = str(error).strip().splitlines()[0][:200]
            warn_once(f"{type(self.module).__name__} is computed one run after the other: torch.func: {reason}")
            return None
        self._vectorized[stage] = True
        return found

    def _stream(self, member: int) -> AbstractContextManager[None]:
        """The random numbers that a member's next forward pass draws, where it draws any."""
        if not (self._probe and self._probe.draws):
            return nullcontext()
        seed = derive_seed("forward", int(self._seeds[member]), int(self._updates[member]))
        return seeded(seed, self.flat.device)


class _Probe:
    """What one forward pass of a module's copy in training mode tells: the bytes of what autograd keeps of a minibatch,
    with their gradients, and whether it draws random numbers."""

    def __init__(self, module: nn.Module, batch: Tensor) -> None:
        kept: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            kept[tensor.data_ptr()] = tensor.nbytes
            return tensor

        watched = copy.deepcopy(module).train()
        with torch.enable_grad(), seeded(0, batch.device):
            before = _random_state(batch.device)
            with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
                outputs = watched(batch)
            self.draws = not torch.equal(before, _random_state(batch.device))
        self.kept_bytes = 2 * (sum(kept.values()) + outputs.nbytes + batch.nbytes)


def _random_state(device: torch.device) -> Tensor:
    return torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.random.get_rng_state()


def _exact_convolutions(device: torch.device) -> AbstractContextManager[None]:
    """On a GPU: convolutions in full precision, by algorithms whose results do not vary from call to call."""
    if device.type != "cuda":
        return nullcontext()
    return torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False)


def _by_autograd(loss: Callable[..., Tensor]) -> Callable[..., tuple[Numbers, Tensor]]:
    """What `grad_and_value(loss)` computes, for a member alone, without torch.func."""

    def function(parameters: Numbers, *rest: Any) -> tuple[Numbers, Tensor]:
        leaves = {name: value.detach().requires_grad_() for name, value in parameters.items()}
        value = loss(leaves, *rest)
        found = torch.autograd.grad(value, list(leaves.values()), allow_unused=True, materialize_grads=True)
        return dict(zip(leaves, found, strict=True)), value

    return function


def _rows_of(numbers: tuple[Any, ...], row: int) -> list[Any]:
    """One member's share of stacked tensors, and of dictionaries of them."""
    return [{name: value[row] for name, value in n.items()} if isinstance(n, dict) else n[row] for n in numbers]


def _own(arguments: Sequence[Tensor], own: Sequence[bool], row: int) -> list[Tensor]:
    return [each[row] if mine else each for each, mine in zip(arguments, own, strict=True)]


def _stacked(results: Sequence[Any]) -> Any:
    """Results of single members, tensors or pairs of (dictionary of tensors, tensor), as `vmap` would give them."""
    if isinstance(results[0], Tensor):
        return torch.stack(list(results))
    gradients = {name: torch.stack([found[name] for found, _ in results]) for name in results[0][0]}
    return gradients, torch.stack([value for _, value in results])
