"""The parts of a study: architectures on one dataset with one optimizer and criterion, one figure panel each.

Also which error a part is about and what the paper states of its main correlation (figures 2, 3D, 3F).
"""

from dataclasses import dataclass

import pandas as pd

from distnlc.records import FAILED

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

PAPER_SIZE = (
    "The paper's values are of 250 architectures a dataset, about 1,000,000 parameters each, 40 rates each."
)


@dataclass(frozen=True)
class Part:
    """One part's rows of the table `architectures`."""

    name: str
    key: Key
    rows: pd.DataFrame

    @property
    def title(self) -> str:
        """For people: the dataset, the optimizer and an unusual criterion."""
        dataset, optimizer, criterion = self.key
        return (
            f"{DATASETS.get(dataset, dataset)} ({OPTIMIZERS.get(optimizer, optimizer)}{CRITERIA[criterion]})"
        )

    @property
    def error(self) -> str:
        """The error column that the part is about."""
        return "train_error" if self.key[2] == "training-error" else "test_error"

    @property
    def failed(self) -> "pd.Series[bool]":
        """True for the rows of failed units."""
        return self.rows["status"] == FAILED


def parts_of(architectures: pd.DataFrame, *, criterion: str | None = None) -> list[Part]:
    """The parts in the study's order, only those of one criterion if given; rows in index order."""
    found = []
    for name, rows in architectures.groupby("part", sort=False):
        first = rows.iloc[0]
        key = (str(first["dataset"]), str(first["optimizer"]), str(first["criterion"]))
        if criterion in (None, key[2]):
            found.append(Part(str(name), key, rows.sort_values("index")))
    return sorted(found, key=lambda part: list(STATED_NLC).index(part.key) if part.key in STATED_NLC else 99)
