"""The numbers that are shown while a study of the scaling calculus runs: means over the networks so far.

The report's numbers differ: it pools set-ups, and chooses rates over all seeds.
"""

import math
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from distnlc.records import OK


class Headline:
    """The geometric mean, over networks, of how far layers are out of balance, and of each set's best loss over that of
    its worst initialization."""

    COLUMNS: Sequence[str] = (
        *("init", "dataset", "weighting", "variant", "block_scaled"),
        *("hessian_imbalance", "ratio_imbalance", "best_loss"),
    )

    def __init__(self) -> None:
        self._logs = defaultdict[str, list[float]](lambda: [0, 0.0])
        self._losses = defaultdict[str, dict[str, list[float]]](lambda: defaultdict(lambda: [0, 0.0]))

    def add(self, row: Any) -> None:
        """Takes in one unit."""
        if row.status != OK:
            return
        if row.hessian_imbalance:
            _add(self._logs[f"hessian_imbalance_{_word(row.init)}"], row.hessian_imbalance)
        elif row.variant == "equal" and row.weighting == "rescale" and row.ratio_imbalance and row.best_loss is None:
            scaled = "scaled" if row.block_scaled else "unscaled"
            _add(self._logs[f"residual_imbalance_{scaled}"], row.ratio_imbalance)
        elif row.dataset and row.variant is None and row.best_loss:
            _add(self._losses[row.dataset][_word(row.init)], row.best_loss)

    def numbers(self) -> dict[str, float]:
        """Name -> number."""
        found = {name: _mean(each) for name, each in self._logs.items()}
        normalized = defaultdict[str, list[float]](list)
        for inits in self._losses.values():
            means = {init: _mean(each) for init, each in inits.items()}
            if len(means) > 1:
                for init, loss in means.items():
                    normalized[init].append(loss / max(means.values()))
        return found | {f"normalized_loss_{init}": sum(each) / len(each) for init, each in normalized.items()}


def _word(init: str) -> str:
    return init.replace("-", "_")


def _add(sums: list[float], value: float) -> None:
    sums[0] += 1
    sums[1] += math.log(value)


def _mean(sums: Sequence[float]) -> float:
    return math.exp(sums[1] / sums[0])
