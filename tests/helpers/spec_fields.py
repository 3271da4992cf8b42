"""Every field of an NLC study's spec with another value, and a spec that differs in one field."""

from typing import Any

from distnlc.spec import merge
from distnlc.studies.nlc.spec import Spec

HOW_FIELDS = {"name", "summary", "data.root", "data.file"}
CHANGED = {
    "seed": 1,
    "dtype": "float32",
    "data.name": "mnist",
    "data.train": 500,
    "data.validation": 250,
    "data.test": 250,
    "data.preparation": "sphere",
    "data.labels": "random",
    "data.crop": 24,
    "data.first": 4_500,
    "data.shape": [1, 8, 8],
    "data.separation": 2.0,
    "sampling.count": 3,
    "sampling.parameters": 20_000,
    "sampling.depth_min": 5,
    "sampling.depth_max": 9,
    "sampling.initializations": 2,
    "train_if": "init_nlc between 1 and 5",
    "training.optimizer": "adam",
    "training.momentum": 0.5,
    "training.weight_decay": 1e-4,
    "training.loss": "squared-error",
    "training.rewind": False,
    "training.epochs": 100,
    "training.criterion": "training-error",
    "training.batch_size": 125,
    "training.first_patience": 3,
    "training.patience": 2,
    "training.divisions": 0,
    "training.divisor": 2.0,
    "training.population": 40,
    "search.method": "refine",
    "search.rates": 60,
    "search.factor": 2.0,
    "search.smallest_update": 1e-16,
    "search.edge": 0,
    "search.coarse": 3,
    "search.wave": 2,
    "search.waves": 0,
    "search.rungs": [5, 20],
    "metrics.nlc_batches": 10,
    "metrics.walk_batches": 0,
    "metrics.walk_inputs": 2,
    "metrics.walk_outputs": 3,
    "metrics.groups": ["moments"],
    "metrics.extra": [{"name": "mine", "version": "1"}],
    "parts": {"a": {"data": {"name": "mnist"}}},
}
"""another value for every field that fixes the result (those with a single possible value left out)"""
DATASET = {"data.crop": "cifar10", "data.shape": "gaussian-images", "data.separation": "clusters", "data.file": "npz"}
"""the dataset of a field that not every one has a use for"""
SINGLE_VALUED = {"kind", "search.selection", "version", "data.source_version", "data.preparation_version"}
"""fields of one value, and those whose others need a plug-in (tests/data/test_sources.py)"""
TOGETHER = {"sampling.family": {"name": "mine", "version": "1"}, "sampling.size": {"width": 3}}
"""fields of which the second needs the first"""


def changed(path: str, value: Any) -> Spec:
    for name in reversed(path.split(".")):
        value = {name: value}
    return Spec.parse(merge(base(path), value))


def base(path: str) -> dict[str, Any]:
    """What another value of that field is laid on."""
    file = {"file": "any.npz"} if path == "data.file" else {}
    return {"data": {"name": DATASET[path], **file}} if path in DATASET else {}
