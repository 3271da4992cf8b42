"""The parts of a study: architectures on one dataset with one optimizer and criterion, one figure panel each.

Also which error a part is about and what the paper states of its main correlation (figures 2, 3D, 3F).
"""

from dataclasses import dataclass

import pandas as pd

from distnlc.records import FAILED, SKIPPED
from distnlc.store import StoreError

DATASETS = {"cifar10": "CIFAR10", "mnist": "MNIST", "waveform-noise": "waveform-noise"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
CRITERIA = {"validation-error": "", "training-error": ", chosen by training error"}

Key = tuple[str, str, str]
"""dataset, optimizer, criterion"""

STATED_NLC: dict[Key, float] = {
    ("cifar10", "sgd", "validation-error"): 0.81,
    ("mnist", "sgd", "validation-error"): 0.72,
    ("waveform-noise", "sgd", "validation-error"): 0.67,
    ("waveform-noise", "adam", "validation-error"): 0.75,
    ("waveform-noise", "sgd", "training-error"): 0.25,
}
"""The paper's correlation of log initial NLC with the part's error, at the paper's size."""

PAPER_SIZE = "The paper's values are of 250 architectures a dataset, about 1,000,000 parameters each, 40 rates each."


@dataclass(frozen=True)
class Part:
    """One part's rows of the table `architectures`."""

    title: str
    """for people: the dataset, the optimizer and an unusual criterion"""
    key: Key
    rows: pd.DataFrame

    @property
    def name(self) -> str:
        """As the study's spec calls it."""
        return str(self.rows["part"].iloc[0])

    @property
    def error(self) -> str:
        """The error column that the part is about."""
        return "train_error" if self.key[2] == "training-error" else "test_error"

    @property
    def failed(self) -> "pd.Series[bool]":
        """True for the rows of failed units."""
        return self.rows["status"] == FAILED

    @property
    def skipped(self) -> "pd.Series[bool]":
        """True for the rows of architectures that `train_if` left untrained."""
        return self.rows["status"] == SKIPPED


def parts_of(architectures: pd.DataFrame, *, criterion: str | None = None) -> list[Part]:
    """The parts in the paper's order, only those of one criterion if given; rows in index order.

    Of an architecture that was trained from several initial weights only the first row is kept: rows are then
    independent of each other, as in the paper. Raises StoreError.
    """
    if "initialization" in architectures:
        architectures = architectures[architectures["initialization"] == 0]
    named = {str(name): rows.sort_values("index") for name, rows in architectures.groupby("part")}
    keys = {name: _key(rows) for name, rows in named.items()}
    parts = []
    for name, rows in named.items():
        alone = list(keys.values()).count(keys[name]) == 1
        title = _title(keys[name]) if alone else f"{_title(keys[name])}: {name}"
        if criterion in {None, keys[name][2]}:
            parts.append(Part(title, keys[name], rows))
    order = list(STATED_NLC)
    return sorted(parts, key=lambda part: order.index(part.key) if part.key in order else len(order))


def _key(rows: pd.DataFrame) -> Key:
    first = rows.iloc[0]
    key = str(first["dataset"]), str(first["optimizer"]), str(first["criterion"])
    known = all(name in names for name, names in zip(key, (DATASETS, OPTIMIZERS, CRITERIA), strict=True))
    if not (known and str(first["part"]).isprintable()):
        raise StoreError(f"the rows of part {first['part']!r} are not distnlc's: dataset, optimizer, criterion {key!r}")
    return key


def _title(key: Key) -> str:
    dataset, optimizer, criterion = key
    return f"{DATASETS[dataset]} ({OPTIMIZERS[optimizer]}{CRITERIA[criterion]})"
