"""The points that networks are trained on: sets of LibSVM's page, images of CIFAR10.

In: a part. Out: what its data are, for the study's record, and the points on the device. From a set with more points
than `libsvm.points` that many are drawn, once for all seeds. CIFAR10's features are normalized one by one over the
drawn images, to mean 0 and variance 1: the calculus asks for centered inputs, and the paper does not say how it had
them.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from distnlc.data import dataset, libsvm_sets
from distnlc.data.sparse import SparseSet
from distnlc.data.spec import DataSpec
from distnlc.spec import SpecError, derive_seed
from distnlc.studies.scaling.groups import CIFAR10_TRAIN
from distnlc.studies.scaling.spec import Spec
from distnlc.training.whole_epochs import DensePoints, Points

MOST_DENSE_BYTES = 2**30
"""of a set that is kept dense; a larger one becomes dense minibatch by minibatch"""


@dataclass(frozen=True)
class SparsePoints:
    """Points that become dense when they are asked for."""

    kept: SparseSet
    labels: Tensor
    dtype: torch.dtype

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.kept.d_in,)

    def rows(self, index: Tensor) -> Tensor:
        return self.kept.chosen(index.numpy()).inputs().to(self.labels.device, self.dtype)


def prepare(part: Spec, name: str) -> dict[str, Any]:
    """Finds, prepares and caches a part's data, and gives their record. Raises DataError and SpecError."""
    if part.experiment != "libsvm":
        return dataset.record(images_spec(part), part.seed)
    group = part.libsvm
    found = libsvm_sets.record(part.data.root, group.sets)
    sets = {}
    for each, facts in found["sets"].items():
        train = min(facts["points"], group.points or facts["points"])
        if train < facts["classes"]:
            raise SpecError(
                f"part {name}: libsvm.points = {group.points} are fewer than the {facts['classes']} classes of {each}"
            )
        sets[each] = facts | {"train": train}
    return found | {"sets": sets}


def images_spec(part: Spec) -> DataSpec:
    """CIFAR10 as an alexnet or resnet part takes it."""
    points = getattr(part, part.experiment).points or CIFAR10_TRAIN
    return DataSpec(name="cifar10", preparation="features", train=points, validation=0, test=0, root=part.data.root)


def set_points(part: Spec, name: str, device: str) -> tuple[Points, int]:
    """The points of a set, and its number of classes."""
    return _set(part.data.root, name, part.libsvm.points, part.seed, device, getattr(torch, part.dtype))


@lru_cache(maxsize=2)
def _set(
    root: str | None, name: str, most: int | None, seed: int, device: str, dtype: torch.dtype
) -> tuple[Points, int]:
    """Kept between the units of one process, which come set by set."""
    kept = libsvm_sets.load(root, name)
    if most is not None and most < len(kept):
        random = np.random.default_rng(derive_seed("scaling points", seed, name))
        kept = kept.chosen(random.permutation(len(kept))[:most])
    labels = torch.from_numpy(kept.labels).to(device)
    if len(kept) * kept.d_in * 8 > MOST_DENSE_BYTES:
        return SparsePoints(kept, labels, dtype), kept.classes
    return DensePoints(kept.inputs().to(device, dtype), labels, (kept.d_in,)), kept.classes


def image_points(part: Spec, device: str) -> Points:
    """The part's training images."""
    return _images(images_spec(part), part.seed, device, getattr(torch, part.dtype))


@lru_cache(maxsize=1)
def _images(spec: DataSpec, seed: int, device: str, dtype: torch.dtype) -> Points:
    found = dataset.load(spec, seed).to(device, dtype)
    return DensePoints(found.train_inputs, found.train_labels, found.shape)
