"""A training of the kind `gradients` that takes a second, on generated clusters."""

from typing import Any

import torch

from distnlc.data import dataset as data
from distnlc.data.dataset import Dataset
from distnlc.networks.mlp import MLP
from distnlc.studies.gradients.networks import layered_of, parameters_of
from distnlc.studies.gradients.protocols import Search
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.training_unit import data_of
from distnlc.training.start import start_of

TINY: dict[str, Any] = {
    "kind": "gradients",
    "experiment": "training",
    "nonlinearity": "tanh",
    "normalization": "layer",
    "width": "12",
    "linear_layers": 7,
    "data": {"name": "clusters", "train": 100},
    "training": {"batch": 20, "steps": [0.01, 0.1], "patience": 2, "divisions": 3, "epochs": 6, "dtype": "float64"},
}


def tiny(training: dict[str, Any] | None = None, **fields: Any) -> Spec:
    """The spec with these differences."""
    return Spec.parse(TINY | fields | {"training": TINY["training"] | (training or {})})


def loaded(spec: Spec) -> Dataset:
    return data.load(data_of(spec), spec.seed).to("cpu", getattr(torch, spec.training.dtype))


def network_of(spec: Spec, dataset: Dataset) -> MLP:
    layered = layered_of(spec, dataset.d_in, dataset.classes)
    return MLP(layered, parameters_of(spec, 1, layered)).to(dataset.train_inputs.dtype)


def search_of(spec: Spec) -> Search:
    dataset = loaded(spec)
    batch = spec.training.batch or len(dataset.train_labels)
    return Search(start_of(network_of(spec, dataset), seed=5), dataset, spec.training, batch)
