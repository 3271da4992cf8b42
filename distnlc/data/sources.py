"""A spec's source, preparation and numbers, as far as they are known without files and torch."""

import math
from dataclasses import replace
from functools import partial

from distnlc.data.catalog import DATASETS, Stated, built_in, preparation_named, source_named
from distnlc.data.spec import DataSpec
from distnlc.plugins import Preparation, Source, loaded

STATED = {name: known.stated for name, known in DATASETS.items() if known.stated}
"""the datasets whose numbers are known without files; they need no field but `name` and perhaps `root`"""
GUESS = Stated(train=3_000, validation=1_000, test=1_000, shape=(100,), classes=10)
"""stands in for the numbers of a dataset that only its files tell, where costs and labels of units are wanted"""
SHARE = 5
"""one part in so many is the test part of a source that has none, and one the validation part"""
VALIDATION_SHARE = 6
"""one part in so many of a source's training points is the validation part if the source has a test part"""

Sizes = tuple[int, int, int]
"""points of the training, validation and test part"""


def dimensions(spec: DataSpec) -> tuple[int, int]:
    """(d_in, classes) without files: as the paper states them, else as the shape gives them, else a guess."""
    known = built_in(spec.name)
    stated = known and known.stated
    if not (known and stated):
        return GUESS.shape[0], GUESS.classes
    shape = spec.shape or stated.shape
    if spec.crop:
        shape = (*shape[:-2], spec.crop, spec.crop)
    projected = stated.projected if (spec.preparation or known.preparation) == "paper" else 0
    features = math.prod(shape)
    return min(projected, features) if projected else features, stated.classes


def known_sizes(spec: DataSpec) -> tuple[int | None, int | None, int | None]:
    """Points of the training, validation and test part as the spec or the dataset states them; None: the files tell."""
    known = built_in(spec.name)
    stated = known and known.stated
    train, validation, test = (
        getattr(stated, field, None) if asked is None else asked
        for field, asked in (("train", spec.train), ("validation", spec.validation), ("test", spec.test))
    )
    return train, validation, test


def part_sizes(spec: DataSpec) -> Sizes:
    """`known_sizes`, and a guess for what only the files tell: for costs, not for results."""
    train, validation, test = known_sizes(spec)
    return (
        GUESS.train if train is None else train,
        GUESS.validation if validation is None else validation,
        GUESS.test if test is None else test,
    )


def split_sizes(spec: DataSpec, points: int, test_points: int | None) -> Sizes:
    """`known_sizes`, and what nobody states taken from what there is.

    A source of `points` without a test part (None) gives a fifth for the test part, a fifth for the validation part and
    the rest for training; one with a test part gives all of that, a sixth of `points` for validation and the rest.
    """
    train, validation, test = known_sizes(spec)
    if test is None:
        test = points // SHARE if test_points is None else test_points
    if validation is None:
        validation = points // (SHARE if test_points is None else VALIDATION_SHARE)
    if train is None:
        train = max(points - validation - (test if test_points is None else 0), 0)
    return train, validation, test


def source_of(spec: DataSpec, seed: int) -> Source:
    """The spec's source, its code loaded; built-in code bound to the spec and the study's seed."""
    source = source_named(spec.name)
    if not built_in(spec.name):
        return replace(source, read=loaded(source.read), files=source.files and loaded(source.files))
    files = source.files and partial(loaded(source.files), spec=spec)
    return replace(source, name=spec.name, read=partial(loaded(source.read), spec=spec, seed=seed), files=files)


def preparation_of(spec: DataSpec) -> Preparation:
    """The spec's preparation, else the dataset's; `features` for a plug-in's dataset."""
    known = built_in(spec.name)
    return preparation_named(spec.preparation or (known.preparation if known else "features"))
