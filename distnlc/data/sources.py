"""The datasets there are, with the numbers that the NLC paper states of each; needs neither files nor torch."""

from dataclasses import dataclass

from distnlc.data.spec import DataSpec


@dataclass(frozen=True, kw_only=True)
class Stated:
    """The paper's numbers (section D). The user's files can have another d_in after the preparation."""

    train: int
    validation: int
    test: int
    d_in: int
    classes: int


STATED = {
    "waveform-noise": Stated(train=3_000, validation=1_000, test=1_000, d_in=40, classes=3),
    "mnist": Stated(train=50_000, validation=10_000, test=10_000, d_in=334, classes=10),
    "cifar10": Stated(train=40_000, validation=10_000, test=10_000, d_in=810, classes=10),
}


def dimensions(spec: DataSpec) -> tuple[int, int]:
    """(d_in, classes) as the paper states them."""
    stated = STATED[spec.name]
    return stated.d_in, stated.classes


def part_sizes(spec: DataSpec) -> tuple[int, int, int]:
    """Points of the training, validation and test part: the spec's, else the paper's."""
    stated = STATED[spec.name]
    return spec.train or stated.train, spec.validation or stated.validation, spec.test or stated.test
