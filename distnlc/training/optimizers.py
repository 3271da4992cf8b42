"""The optimizers of a population: what the gradients of all runs become before they are subtracted.

    sgd          u = g
    momentum     v = momentum v + g;  u = v                                      (the heavy ball)
    adam         m = 0.9 m + 0.1 g;  v = 0.999 v + 0.001 g^2;
                 u = (m / (1 - 0.9^t)) / (sqrt(v / (1 - 0.999^t)) + 1e-8)         (Kingma & Ba)
    adam-tf1     the same m and v;  u = sqrt(1 - 0.999^t) / (1 - 0.9^t) m / (sqrt(v) + 1e-8)
    rmsprop-tf1  v = 0.9 v + 0.1 g^2, v = 1 at first;  u = g / sqrt(v + 1e-10)

The last two are TensorFlow 1's, which `sensitivity` follows (its spec's additions, A.6). The parameters then move by
-rate u. With weight decay, g is the loss's gradient plus weight_decay times the parameters. `native/optimizers.h` has
the same.
"""

import torch
from torch import Tensor

from distnlc.training.spec import StepSpec

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # Adam's, as its authors give them
RMS_DECAY, RMS_EPSILON = 0.9, 1e-10  # TensorFlow 1's defaults
STATE = {
    "sgd": (),
    "momentum": ("first",),
    "adam": ("first", "second", "steps"),
    "adam-tf1": ("first", "second", "steps"),
    "rmsprop-tf1": ("second",),
}
"""optimizer -> the tensors that are part of a run's state and rewound with its parameters: running averages of the
gradients and of their squares (population, parameters), and the updates so far (population, 1)"""

State = dict[str, Tensor]


def initial_state(spec: StepSpec, flat: Tensor) -> State:
    """The state before the first update of a population whose parameters are `flat` (population, parameters)."""
    first_square = torch.ones_like if spec.optimizer == "rmsprop-tf1" else torch.zeros_like
    made = {"first": torch.zeros_like, "second": first_square, "steps": lambda flat: flat.new_zeros(len(flat), 1)}
    return {name: made[name](flat) for name in STATE[spec.optimizer]}


def update(spec: StepSpec, state: State, gradients: Tensor) -> Tensor:
    """Takes the gradients (population, parameters) into the state, and gives the update at rate 1, to be subtracted."""
    if spec.optimizer == "sgd":
        return gradients
    if spec.optimizer == "momentum":
        return state["first"].mul_(spec.momentum).add_(gradients)
    second = state["second"]
    if spec.optimizer == "rmsprop-tf1":
        second.mul_(RMS_DECAY).addcmul_(gradients, gradients, value=1 - RMS_DECAY)
        return gradients / (second + RMS_EPSILON).sqrt_()
    first, steps = state["first"], state["steps"]
    steps += 1
    first.lerp_(gradients, 1 - BETA1)
    second.mul_(BETA2).addcmul_(gradients, gradients, value=1 - BETA2)
    if spec.optimizer == "adam":
        denominator = (second / (1 - BETA2**steps)).sqrt_().add_(EPSILON)
        return (first / (1 - BETA1**steps)).div_(denominator)
    return first / second.sqrt().add_(EPSILON) * ((1 - BETA2**steps).sqrt() / (1 - BETA1**steps))
