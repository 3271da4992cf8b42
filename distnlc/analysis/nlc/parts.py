"""The parts of a study: architectures on one dataset with one optimizer and criterion, one figure panel each.

A part of a family of the user's own has the family's name in its title and its key, so that it is compared with nothing
that the paper states.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from distnlc.analysis.nlc.paper import BETTER_THAN_GUESSING, EVERY, STATED_NLC, TRAINING, VALIDATION, Key
from distnlc.records import FAILED, SKIPPED, quantities
from distnlc.store import StoreError
from distnlc.studies.nlc.records import ArchitectureRow

DATASETS = {"cifar10": "CIFAR10", "cifar100": "CIFAR100", "mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
"""names for people, where these are not the spec's"""
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
CRITERIA = {VALIDATION: "", TRAINING: ", chosen by training error"}
BETTER_ELSEWHERE = 0.85
"""where the paper states no threshold (BETTER_THAN_GUESSING), the share of the error of guessing: between those of its
two, 0.75 of it with 3 classes and 0.89 with 10"""
DIAMETER, ROUNDED_OFF = "init_relative_diameter", "diameter_rounded_off"
"""the column, and the one that `parts_of` adds: true where an earlier version wrote 0: rounding, or less than 1e-9"""


@dataclass(frozen=True)
class Part:
    """One part's rows of the table `architectures`, or those of its rows that one panel is about."""

    title: str
    """for people: the dataset, the family if it is the user's own, the optimizer and an unusual criterion"""
    key: Key
    rows: pd.DataFrame
    excluded: Mapping[str, "pd.Series[bool]"] = field(default_factory=dict)
    """reason -> true for the rows that a figure leaves out for it, though they have its quantities"""

    @property
    def name(self) -> str:
        """As the study's spec calls it."""
        return str(self.rows["part"].iloc[0])

    @property
    def error(self) -> str:
        """The error column that the part is about."""
        return "train_error" if self.key[2] == TRAINING else "test_error"

    @property
    def error_name(self) -> str:
        """The label of that error."""
        return quantities(ArchitectureRow)[self.error].label

    @property
    def failed(self) -> "pd.Series[bool]":
        """True for the rows of failed units."""
        return self.rows["status"] == FAILED

    @property
    def skipped(self) -> "pd.Series[bool]":
        """True for the rows of architectures that `train_if` left untrained."""
        return self.rows["status"] == SKIPPED

    @property
    def rounded_off(self) -> "pd.Series[bool]":
        """True for the rows of an earlier version whose relative diameter was 0, and is missing here."""
        return self.rows[ROUNDED_OFF]

    @property
    def guessing(self) -> "pd.Series[bool]":
        """True for the trained architectures that are not better than guessing, in the error of the part."""
        classes = self.rows["d_out"]
        otherwise = BETTER_ELSEWHERE * (1 - 1 / classes)
        return self.rows[self.error] >= classes.map(BETTER_THAN_GUESSING).fillna(otherwise)

    def left_out(self, *columns: str) -> "dict[str, pd.Series[bool]]":
        """Reason -> true for the rows that a statistic of these columns leaves out, whatever their values.

        A skipped architecture takes part if it has all of them, as it has those of the initial network.
        """
        unmeasured = self.rows[list(columns)].isna().any(axis=1)
        return {
            "unit failed": self.failed,
            "not trained: skipped by train_if": self.skipped & unmeasured,
            **({"relative diameter 0 in an earlier version": self.rounded_off} if DIAMETER in columns else {}),
            **self.excluded,
        }

    def learned_only(self) -> "Part":
        """The same part without the architectures that are not better than guessing."""
        return replace(self, excluded={**self.excluded, "not better than guessing": self.guessing})


def parts_of(architectures: pd.DataFrame, *, criterion: str | None = None, optimizer: str | None = None) -> list[Part]:
    """The parts in the paper's order, only those of one criterion or optimizer if given; rows in index order.

    Of an architecture that was trained from several initial weights only the first row is kept: rows are then
    independent of each other, as in the paper. Rows of earlier versions are known by their `init_lipschitz`, which is
    measured no more: where f(X + kU) - f(X) was lost in rounding from the first k on, they have a relative diameter of
    0, as if the network was most nonlinear. It is missing here, and ROUNDED_OFF marks it. Raises StoreError.
    """
    first = architectures[architectures["initialization"] == 0]
    rounded_off = first["init_lipschitz"].notna() & first[DIAMETER].eq(0)
    first = first.assign(**{DIAMETER: first[DIAMETER].mask(rounded_off), ROUNDED_OFF: rounded_off})
    named = {str(name): rows.sort_values("index") for name, rows in first.groupby("part")}
    keys = {name: _key(rows) for name, rows in named.items()}
    parts = []
    for name, rows in named.items():
        alone = list(keys.values()).count(keys[name]) == 1
        title = _title(keys[name]) if alone else f"{_title(keys[name])}: {name}"
        if criterion in {None, keys[name][2]} and optimizer in {None, keys[name][1]}:
            parts.append(Part(title, keys[name], rows))
    order = list(STATED_NLC)
    return sorted(parts, key=lambda part: order.index(part.key) if part.key in order else len(order))


def of_own_networks(parts: Sequence[Part]) -> list[Part]:
    """The parts without those whose initial networks an earlier part has on the same dataset, such as Adam's."""
    seen: set[tuple[str, str]] = set()
    own = []
    for part in parts:
        networks = {(part.key[0], str(name)) for name in part.rows["architecture_id"]}
        if not networks <= seen:
            own.append(part)
        seen |= networks
    return own


def pooled(parts: Sequence[Part]) -> Part:
    """All parts as one, its dataset `all`, its optimizer and criterion those of the first."""
    _, optimizer, criterion = parts[0].key
    title = f"all datasets ({OPTIMIZERS[optimizer]}{CRITERIA[criterion]})"
    return Part(title, (EVERY, optimizer, criterion), pd.concat([part.rows for part in parts], ignore_index=True))


def _key(rows: pd.DataFrame) -> Key:
    first = rows.iloc[0]
    of_family = f", {first['activation']}" if first["depth"] == 0 else ""
    key = f"{first['dataset']}{of_family}", str(first["optimizer"]), str(first["criterion"])
    known = key[1] in OPTIMIZERS and key[2] in CRITERIA
    if not (known and key[0].isprintable() and str(first["part"]).isprintable()):
        raise StoreError(f"the rows of part {first['part']!r} are not distnlc's: dataset, optimizer, criterion {key!r}")
    return key


def _title(key: Key) -> str:
    dataset, optimizer, criterion = key
    return f"{DATASETS.get(dataset, dataset)} ({OPTIMIZERS[optimizer]}{CRITERIA[criterion]})"
