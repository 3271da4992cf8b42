"""Trainings: each with its network at initialization, its epochs, its layers and what Taylor leaves of it.

In: the tables of a study. A training is known by its setting and protocol; where two share them, as full batches and
minibatches do, its batch size tells them apart. Only the chosen step size was measured while training.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.gradients import paper
from distnlc.analysis.gradients.paper import Setting
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables
from distnlc.records import OK
from distnlc.studies.gradients.spec import Spec

PRESETS = ("gradients-small", "gradients")
"""the studies that have trainings"""
PROTOCOLS = ("custom", "single")
PAPER = Spec.model_fields["training"].default
"""how the paper trains"""
SETTINGS = {
    "batch": ("points of a minibatch", PROTOCOLS),
    "patience": ("epochs of patience", PROTOCOLS),
    "divisions": ("step sizes in turn", PROTOCOLS),
    "epochs": ("epochs at most", PROTOCOLS),
    "selection_every": ("linear layers to each step size searched for", ("custom",)),
    "selection_factor": ("factor between the step sizes of a search", ("custom",)),
}
"""field of a training's spec -> what it is, and the protocols that it belongs to"""
FULL_BATCH = paper.gaussian("relu", "batch")
"""the network that is trained in full batches, and in minibatches beside"""
WITHIN = 0.02
"""of the error, by which a Taylor reduction that keeps it may raise it"""


@dataclass(frozen=True)
class Run:
    """One finished training."""

    setting: Setting
    protocol: str
    part: str
    dataset: str
    points: int
    linear_layers: int
    batch: int | None
    """points of a minibatch; None for all of them"""
    training: dict[str, Any] = field(repr=False)
    """how it was trained, as far as the folder's spec says"""
    error: float
    """training error at the end"""
    row: Any = field(repr=False)
    """of the table of networks"""
    epochs: pd.DataFrame = field(repr=False)
    """of the measured run, by epoch"""
    layers: pd.DataFrame = field(repr=False)
    taylor: pd.DataFrame = field(repr=False)
    """by depth"""

    @property
    def name(self) -> str:
        return paper.name_of(self.setting)

    @property
    def full_name(self) -> str:
        """With the protocol, and the batch where both sorts are trained."""
        batch = f", batches of {self.batch:,}" if self.batch and self.setting == FULL_BATCH else ""
        return f"{self.name} ({self.protocol}{batch})"

    @property
    def key(self) -> tuple[str, ...]:
        """What a row of table 2 is about."""
        return self.setting[:4]

    @property
    def depth(self) -> int | None:
        """Effective depth at the end; None if it was not measured."""
        return None if pd.isna(self.row.effective_depth) else int(self.row.effective_depth)

    @property
    def pretraining(self) -> int:
        """Epochs of pre-training."""
        return int((self.epochs["phase"] == "pretraining").sum())

    def over_epochs(self, column: str) -> tuple[Floats, Floats]:
        """Epochs and values, of those where it was measured."""
        rows = self.epochs[self.epochs[column].notna()]
        return rows["epoch"].to_numpy(dtype=float), rows[column].to_numpy(dtype=float)

    def over_layers(self, column: str, epoch: int | None = None, *kinds: str) -> tuple[Floats, Floats]:
        """Linear layers from the input and values after an epoch, by default the last at which it was measured; of
        some kinds of layer or of all."""
        rows = self.layers[self.layers[column].notna()]
        if kinds:
            rows = rows[rows["kind"].isin(kinds)]
        rows = rows[rows["epoch"] == (rows["epoch"].max() if epoch is None else epoch)].sort_values(
            "layer", ascending=False
        )
        return rows["linear_layer"].to_numpy(dtype=float), rows[column].to_numpy(dtype=float)

    def scale_at_updates(self) -> tuple[Floats, Floats, Floats]:
        """Linear layers, the largest relative update Y_l of each, and 1 / GSC(l, 0) after pre-training there.

        With skip connections the gradient scale is known between blocks alone: it is interpolated in its logarithm.
        """
        linear, updates = self.over_layers("relative_update")
        if not linear.size:
            return linear, updates, updates
        rows = self.layers[self.layers["relative_update"].notna()]
        across, scale = self.over_layers("gsc", int(rows["epoch"].max()), "linear")
        if not across.size:
            return linear, updates, np.full(linear.size, np.nan)
        return linear, updates, np.exp(-np.interp(linear, across, np.log(scale)))

    def error_at(self, depth: int) -> float | None:
        """What Taylor leaves at a compositional depth, if it was measured."""
        rows = self.taylor[(self.taylor["compositional_depth"] == depth) & self.taylor["train_error"].notna()]
        return None if rows.empty else float(rows["train_error"].iloc[0])

    @property
    def cut(self) -> int | None:
        """The smallest compositional depth that Taylor leaves at which the error, and that of all larger depths, is
        kept: all linear layers if none may go. None if it was not measured."""
        rows = self.taylor[self.taylor["train_error"].notna()]
        if rows.empty:
            return None
        depths, errors = rows["compositional_depth"].to_numpy(dtype=int), rows["train_error"].to_numpy(dtype=float)
        beyond = depths[errors > self.error + WITHIN].max(initial=0)
        return int(depths[depths > beyond].min(initial=self.linear_layers))


def runs_of(tables: Tables) -> list[Run]:
    """All finished trainings in the order of table 2, custom before single, full batches first."""
    networks = tables.networks
    networks = networks[networks["protocol"].isin(PROTOCOLS) & (networks["status"] == OK)]
    epochs = _by_unit(tables.epochs[tables.epochs["measured"].fillna(False).astype(bool)], networks)
    layers, taylor = (_by_unit(frame, networks) for frame in (tables.layers, tables.taylor))
    found = [
        _run(
            row,
            _training(tables, str(row.part)),
            epochs=epochs(row.unit_id).sort_values("epoch"),
            layers=layers(row.unit_id),
            taylor=taylor(row.unit_id).sort_values("compositional_depth"),
        )
        for row in networks.itertuples()
    ]
    keys = [each.setting[:4] for each in paper.TABLE_2]
    return sorted(
        found,
        key=lambda run: (
            keys.index(run.key) if run.key in keys else len(keys),
            PROTOCOLS.index(run.protocol),
            run.batch or 0,
            run.part,
        ),
    )


def best_of(runs: Sequence[Run], stated: paper.Trained, protocol: str) -> Run | None:
    """The run of a row of table 2 by one protocol. That of batch-ReLU is trained in full batches."""
    fitting = [run for run in runs if run.key == stated.setting[:4] and run.protocol == protocol]
    if stated.setting == FULL_BATCH:
        fitting = [run for run in fitting if run.batch is None]
    return fitting[0] if fitting else None


def shown(runs: Sequence[Run], stated: paper.Trained) -> Run | None:
    """The run that figures show: by the protocol that the paper shows, else by the other."""
    other = next(each for each in PROTOCOLS if each != stated.shown)
    return best_of(runs, stated, stated.shown) or best_of(runs, stated, other)


@dataclass(frozen=True)
class Runs:
    """All trainings of a study, as figures and claims ask for them."""

    every: Sequence[Run]

    def of(self, figure: int, protocol: str = "", without: Sequence[tuple[str, str]] = ()) -> list[Run]:
        """Those that a figure shows, or of its networks by one protocol."""
        rows = [row for row in paper.TABLE_2 if row.figure == figure and row.setting[:2] not in without]
        found = [best_of(self.every, row, protocol) if protocol else shown(self.every, row) for row in rows]
        return [run for run in found if run is not None]

    def at(self, key: tuple[str, ...], protocol: str = "") -> Run | None:
        """The training of one row of table 2 that a figure shows, or by one protocol."""
        row = next(row for row in paper.TABLE_2 if row.setting[:4] == key)
        return best_of(self.every, row, protocol) if protocol else shown(self.every, row)

    def pairs(
        self, pairs: Sequence[tuple[tuple[str, ...], tuple[str, ...]]], protocol: str = ""
    ) -> list[tuple[Run, Run]]:
        """Both trainings of those pairs of which there are both."""
        found = [(self.at(one, protocol), self.at(other, protocol)) for one, other in pairs]
        return [(one, other) for one, other in found if one is not None and other is not None]

    def updates(self, figure: int) -> Iterator[tuple[Run, Floats, Floats, Floats]]:
        """Custom trainings of a figure with their linear layers, Y_l and 1 / GSC(l, 0)."""
        for run in self.of(figure, "custom"):
            linear, updates, inverse = run.scale_at_updates()
            if linear.size >= 3:
                yield run, linear, updates, inverse


def missing(figure: int, protocol: str = "") -> str:
    """What a claim about a figure lacks, where there are no runs of it."""
    names = "; ".join(paper.name_of(row.setting) for row in paper.TABLE_2 if row.figure == figure)
    return f"{protocol + ' ' if protocol else ''}trainings of {names}"


def needed(tables: Tables) -> list[Run]:
    """Raises MissingRecordsError if no training is finished."""
    if not (found := runs_of(tables)):
        raise MissingRecordsError("no finished training")
    return found


def reductions(runs: Sequence[Run]) -> list[str]:
    """How these trainings differ in size from the paper's, from the records' own columns and the spec."""
    said = []
    for what, stated, values in (
        ("dataset", paper.TRAINING_DATASET, {run.dataset for run in runs}),
        ("training points", f"{paper.TRAINING_POINTS:,}", {f"{run.points:,}" for run in runs}),
        ("linear layers", str(paper.TRAINING_LAYERS), {str(run.linear_layers) for run in runs}),
        ("width", "100", {run.setting[4] for run in runs}),
    ):
        if values != {stated}:
            said.append(f"{what} {', '.join(sorted(values))} instead of {stated}")
    for name, (what, protocols) in SETTINGS.items():
        stated = getattr(PAPER, name)
        given: set[Any] = {run.training.get(name) for run in runs if run.protocol in protocols} - {stated, None}
        if given:
            said.append(f"{what} {', '.join(map(str, sorted(given)))} instead of {stated}")
    grids = {len(run.training.get("steps", PAPER.steps)) for run in runs if run.protocol == "single"}
    if grids - {len(PAPER.steps)}:
        said.append(f"starting step sizes {', '.join(map(str, sorted(grids)))} instead of {len(PAPER.steps)}")
    longest = max(int(run.row.epochs) for run in runs if run.row.epochs == run.row.epochs)
    if said:
        said.append(f"at most {longest} epochs")
    return said


def _run(row: Any, training: dict[str, Any], **frames: pd.DataFrame) -> Run:
    """A training from its row of the table of networks, its spec and its rows of the other tables."""
    return Run(
        setting=(row.nonlinearity, row.normalization, row.matrices, row.skip, row.width),
        protocol=row.protocol,
        part=row.part,
        dataset=str(row.dataset),
        points=int(row.points),
        linear_layers=int(row.linear_layers),
        batch=int(row.batch_size) if row.batch_size < row.points else None,
        training=training,
        error=float(row.train_error),
        row=row,
        **frames,
    )


def _training(tables: Tables, part: str) -> dict[str, Any]:
    """The section `training` of a part's spec, as far as the folder's spec says it."""
    parts = tables.spec.get("parts") or {}
    own = parts.get(part) or {}
    return {**(tables.spec.get("training") or {}), **(own.get("training") or {})}


def _by_unit(frame: pd.DataFrame, networks: pd.DataFrame) -> Any:
    """unit id -> its rows; units of other experiments are not grouped."""
    groups = dict(tuple(frame[frame["unit_id"].isin(networks["unit_id"])].groupby("unit_id")))
    return lambda unit: groups.get(unit, frame.iloc[:0])
