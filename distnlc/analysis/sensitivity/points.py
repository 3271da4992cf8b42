"""Single test points of single networks: what figures 6, App. 9 and App. 11 show, network by network.

In: the tables of a study. Each panel has the points of the first five fitted networks of one data set and loss. Parts
that are called bounds... are those of App. 11, where there are any; else it shows the networks of figure 6 that were
trained with cross-entropy.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from distnlc.analysis.sensitivity.cells import DATA_NAMES, is_fitted
from distnlc.analysis.sensitivity.thresholds import PAPER_POINTS
from distnlc.analysis.statistics.correlations import Floats
from distnlc.analysis.tables import Tables

BOUNDS = "bounds"
"""how the names of parts for App. 11 begin"""
SHOWN = 5
"""networks of a panel, as in the paper"""
LOSSES = ("cross-entropy", "l2")
IN_APP9 = ("fashion-mnist", "cifar100")
"""the data sets that the paper shows in App. 9"""
NAN = float("nan")


@dataclass(frozen=True)
class PointsOf:
    """The points of one network."""

    unit: str
    about: pd.Series
    """its row of the table of networks"""
    loss: Floats
    """(n,) of the points, by the loss that it was trained with"""
    norm: Floats
    """||J||"""
    class_norm: Floats
    """||J_y||"""
    logit_norm: Floats
    wrong: Floats
    """1 where it is misclassified"""

    @property
    def name(self) -> str:
        """`relu, 3 matrices of width 100`."""
        return f"{self.about['activation']}, D {self.about['depth']:.0f}, width {self.about['width']:.0f}"

    @property
    def error(self) -> float:
        """The share of its points that are misclassified."""
        return float(self.wrong.mean())

    @property
    def positive(self) -> "np.ndarray[tuple[int], np.dtype[np.bool_]]":
        """Points with a logarithm on both axes."""
        return (self.loss > 0) & (self.norm > 0)

    def correlation(self, wrong: bool | None = None) -> float:
        """Spearman of loss and norm over all, correct or misclassified points; nan of fewer than three."""
        kept = np.ones(self.loss.size, dtype=bool) if wrong is None else self.wrong == wrong
        if kept.sum() < 3 or not np.ptp(self.loss[kept]) or not np.ptp(self.norm[kept]):
            return NAN
        return float(stats.spearmanr(self.loss[kept], self.norm[kept])[0])

    def tenth(self, top: bool) -> float:
        """The share of misclassified points in the tenth with the largest or smallest norms."""
        order = np.argsort(self.norm, kind="stable")
        count = max(1, self.norm.size // 10)
        return float(self.wrong[order[-count:] if top else order[:count]].mean())

    @property
    def auc(self) -> float:
        """The chance that a misclassified point has a larger norm than a correct one; nan if all are alike."""
        wrong, correct = self.norm[self.wrong == 1], self.norm[self.wrong == 0]
        if not wrong.size or not correct.size:
            return NAN
        return float(stats.mannwhitneyu(wrong, correct).statistic / (wrong.size * correct.size))

    @property
    def smallest_wrong(self) -> float:
        """The smallest norm of a misclassified point by the median of the correct ones; nan where there is none."""
        wrong, correct = self.norm[self.wrong == 1], self.norm[self.wrong == 0]
        if not wrong.size or not correct.size or not np.median(correct) > 0:
            return NAN
        return float(wrong.min() / np.median(correct))

    @property
    def logit_scale(self) -> float:
        """M: mean of the squared Jacobian norm of the logits by the number of classes, over these points."""
        return float(np.mean(self.logit_norm**2) / self.classes)

    @property
    def classes(self) -> int:
        return int(self.about["d_out"])


@dataclass(frozen=True)
class PointsPanel:
    """The networks of one data set and loss."""

    dataset: str
    loss: str
    networks: Sequence[PointsOf]
    fitted: int
    """of how many fitted ones these are the first"""
    left_out: dict[str, int]

    @property
    def title(self) -> str:
        return f"{DATA_NAMES.get(self.dataset, self.dataset)}, {self.loss}"

    @property
    def paper_size(self) -> bool:
        return all(one.about["train_points"] >= PAPER_POINTS for one in self.networks)


def panels(tables: Tables) -> list[PointsPanel]:
    """Those of figure 6 and App. 9, cross-entropy first."""
    networks = _measured(tables)
    plain = networks[~networks["part"].astype(str).str.startswith(BOUNDS)]
    found = [
        _panel(tables, str(dataset), loss, rows)
        for loss in LOSSES
        for dataset, rows in sorted(plain[plain["loss"] == loss].groupby("dataset"), key=_paper_order)
    ]
    return [one for one in found if one.networks]


def _paper_order(group: tuple[Any, pd.DataFrame]) -> tuple[bool, str]:
    """MNIST-like data first."""
    return "mnist" not in str(group[0]), str(group[0])


def of_bounds(tables: Tables) -> list[PointsOf]:
    """The networks of App. 11."""
    networks = _measured(tables)
    own = networks[networks["part"].astype(str).str.startswith(BOUNDS)]
    fitting = own if is_fitted(own).any() else networks
    fitting = fitting[(fitting["loss"] == LOSSES[0]) & is_fitted(fitting)]
    return [_points_of(tables, row) for _, row in fitting.head(SHOWN).iterrows()]


def _measured(tables: Tables) -> pd.DataFrame:
    """The networks of which single points were kept."""
    networks = tables.networks
    return networks[networks["unit_id"].isin(tables.points["unit_id"].unique())]


def _panel(tables: Tables, dataset: str, loss: str, rows: pd.DataFrame) -> PointsPanel:
    fitted = rows[is_fitted(rows)]
    misfits = len(rows) - len(fitted)
    return PointsPanel(
        dataset=dataset,
        loss=loss,
        networks=[_points_of(tables, row) for _, row in fitted.head(SHOWN).iterrows()],
        fitted=len(fitted),
        left_out={"not fitted": misfits} if misfits else {},
    )


def _points_of(tables: Tables, network: pd.Series) -> PointsOf:
    rows = tables.points[tables.points["unit_id"] == network["unit_id"]]
    columns = ("loss", "jacobian_norm", "class_jacobian_norm", "logit_jacobian_norm")
    loss, norm, class_norm, logit_norm = (rows[name].to_numpy(dtype=float) for name in columns)
    wrong = (rows["label"] != rows["predicted"]).to_numpy(dtype=float)
    return PointsOf(str(network["unit_id"]), network, loss, norm, class_norm, logit_norm, wrong)
