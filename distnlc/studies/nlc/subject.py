"""The network that a unit is about, at initialization: of section C's scheme, or of a family of the user's own.

In: the spec of the unit's part, the unit, its dataset on the device. Out: a `Subject`, which the rest of the unit's
work takes without asking where it came from.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from distnlc.data.dataset import Dataset
from distnlc.metrics.measurable import Network, without_dropout
from distnlc.networks.architecture import Architecture
from distnlc.records import PropertyRow
from distnlc.spec import Unit
from distnlc.studies.nlc import family
from distnlc.studies.nlc.measurement import activation_metrics
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import drawn, drawn_of_family, family_seed, sampled
from distnlc.training.native_network import fast_network
from distnlc.training.start import put_numbers
from distnlc.training.trainer import RunOutcome


@dataclass(frozen=True)
class Subject:
    """One architecture before training."""

    columns: Mapping[str, Any]
    """of its row, known before it is measured"""
    network: nn.Module
    """initialized, on the device"""
    seed: int
    architecture: Architecture | None
    """None: of a family"""
    properties: Sequence[PropertyRow] = field(default_factory=list)

    def measured(self) -> nn.Module:
        """A copy of the network as it stands now, without dropout. Batch norm is a function of batches before training,
        as in training, and one of single points after it, as where errors are counted."""
        return without_dropout(copy.deepcopy(self.network))

    def function(self, batch_size: int) -> Network:
        """The same, the fastest way there is to compute it."""
        return fast_network(self.measured(), batch_size=batch_size)

    def take(self, run: RunOutcome) -> None:
        """Makes the network that of a run."""
        assert run.row is not None
        put_numbers(self.network, run.row, run.buffers)
        self.network.eval()

    def own_metrics(self) -> dict[str, Any]:
        """Metrics that follow from the architecture alone."""
        return {} if self.architecture is None else activation_metrics(self.architecture)


def subject_of(part: Spec, unit: Unit, dataset: Dataset) -> Subject:
    """Draws and builds the unit's network. Raises ValueError for one that cannot be measured or trained."""
    device, dtype = dataset.train_inputs.device, dataset.train_inputs.dtype
    if part.sampling.family is not None:
        return _of_family(part, unit, dataset, device, dtype)
    architecture = sampled(part, unit.index, dataset.d_in, dataset.classes)
    network = architecture.build().to(device, dtype)
    return Subject(drawn(part, unit, architecture, len(dataset.train_labels)), network, architecture.seed, architecture)


def _of_family(part: Spec, unit: Unit, dataset: Dataset, device: torch.device, dtype: torch.dtype) -> Subject:
    d_in, d_out, seed = dataset.d_in, dataset.classes, family_seed(part, unit.index)
    own = part.sampling, unit.index, seed
    description = family.draw(*own, d_in, d_out, dataset.shape)
    network = family.build(*own, description).to(device, dtype)
    family.check(
        part.sampling,
        unit.index,
        without_dropout(copy.deepcopy(network)),
        dataset.train_inputs[: part.training.batch_size],
        d_out,
    )
    return Subject(
        drawn_of_family(part, unit, d_in, d_out, family.count_parameters(network), len(dataset.train_labels)),
        network,
        seed,
        architecture=None,
        properties=family.property_rows(unit.unit_id, part.sampling, unit.index, description),
    )
