"""Adam (Kingma & Ba) for a population; plain gradient descent needs no state and lives in `PopulationMLP.backward`."""

from dataclasses import dataclass

import torch
from torch import Tensor

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8  # the authors' defaults


@dataclass
class Adam:
    """Running averages of (population, parameters) gradients. Part of a run's state: rewound with its parameters."""

    first: Tensor
    second: Tensor
    steps: Tensor
    """(population, 1): updates so far of each run"""

    @classmethod
    def start(cls, flat: Tensor) -> "Adam":
        return cls(torch.zeros_like(flat), torch.zeros_like(flat), flat.new_zeros(len(flat), 1))

    def update(self, gradients: Tensor) -> Tensor:
        """Takes the gradients in and gives the update at rate 1, to be subtracted: (population, parameters)."""
        self.steps += 1
        self.first.lerp_(gradients, 1 - BETA1)
        self.second.mul_(BETA2).addcmul_(gradients, gradients, value=1 - BETA2)
        denominator = (self.second / (1 - BETA2**self.steps)).sqrt_().add_(EPSILON)
        return (self.first / (1 - BETA1**self.steps)).div_(denominator)

    def copy_rows(self, source: "Adam", rows: Tensor) -> None:
        """Overwrites these runs' averages with those of `source`."""
        self.first[rows], self.second[rows], self.steps[rows] = (
            source.first[rows],
            source.second[rows],
            source.steps[rows],
        )

    def copy(self, source: "Adam") -> None:
        """Overwrites all averages in place."""
        for name, values in vars(source).items():
            getattr(self, name).copy_(values)

    def take(self, rows: Tensor) -> "Adam":
        """These runs' averages as a new object."""
        return Adam(self.first[rows], self.second[rows], self.steps[rows])
