"""What people see of a study of sensitivity while it runs: a headline over all networks, and the looks at one."""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from typing import Any

from distnlc.plugins import Curves
from distnlc.records import OK, Records

MOST = 2000
"""networks that the headline looks at: the first ones"""
NOTE = """
- `training/loss`: mean over the minibatches since the last look (L-BFGS: over all points); `training/accuracy`: of the
  whole training part, images as they are; step = update (L-BFGS: iteration).
"""


def curves(records: Records) -> Curves:
    """The looks at a network while it was trained."""
    checks = records["checks"]
    return Curves(
        {
            "training/loss": [(check.step, check.train_loss) for check in checks],
            "training/accuracy": [(check.step, check.train_accuracy) for check in checks],
        },
        NOTE,
    )


class Headline:
    """The share of pairs whose Jacobian norm is larger with random labels, and Spearman's correlation of Jacobian norm
    and gap over networks with true labels; both of fitted networks alone."""

    COLUMNS: Sequence[str] = ("fitted", "labels", "augmentation", "seed", "pair_labels", "jacobian_norm", "gap")

    def __init__(self) -> None:
        self._seen = 0
        self._true: list[tuple[float, float]] = []
        self._pairs: dict[tuple[str, int], dict[str, float]] = {}

    def add(self, row: Any) -> None:
        """Takes in one network, if it is fitted and among the first."""
        if row.status != OK or not row.fitted or row.jacobian_norm is None or row.gap is None or self._seen >= MOST:
            return
        self._seen += 1
        if row.labels == "true":
            self._true.append((row.jacobian_norm, row.gap))
        if row.pair_labels is not None:
            self._pairs.setdefault((row.pair_labels, row.seed), {})[row.labels] = row.jacobian_norm

    def numbers(self) -> dict[str, float]:
        found = {}
        complete = [pair for pair in self._pairs.values() if len(pair) > 1]
        if complete:
            found["pairs_above_diagonal"] = sum(pair["random"] > pair["true"] for pair in complete) / len(complete)
        correlation = spearman(self._true)
        return found | ({} if correlation is None else {"spearman_jacobian_gap": correlation})


def spearman(points: Sequence[tuple[float, float]]) -> float | None:
    """The correlation of mid-ranks; None for fewer than three points, or where one side does not vary."""
    if len(points) < 3:
        return None
    first, second = (_ranks([point[side] for point in points]) for side in (0, 1))
    middle = (len(points) + 1) / 2
    sizes = [sum((rank - middle) ** 2 for rank in side) for side in (first, second)]
    if not all(sizes):
        return None
    product = sum((a - middle) * (b - middle) for a, b in zip(first, second, strict=True))
    return product / math.sqrt(sizes[0] * sizes[1])


def _ranks(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [(bisect_left(ordered, value) + bisect_right(ordered, value) + 1) / 2 for value in values]
