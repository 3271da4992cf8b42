"""Invented studies of the scaling calculus: what the prototype found, or nothing of what the calculus says."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from distnlc.analysis.scaling import thresholds
from distnlc.analysis.scaling.residual_nets import covered
from distnlc.analysis.tables import Tables
from distnlc.records import columns_of
from distnlc.studies.scaling.records import BlockRow, EpochRow, LayerRow, RunRow, UnitRow

ROWS = {"units": UnitRow, "layers": LayerRow, "blocks": BlockRow, "runs": RunRow, "epochs": EpochRow}
INITS = ("geometric", "fan-in", "fan-out", "arithmetic")
PLANNED = {"geometric": 1.0, "fan-in": 6.56, "fan-out": 1260.0, "arithmetic": 49.5}
LAYERS = ("conv", "conv", "linear", "linear", "linear")
PROFILE = np.array([0.2, 0.0, 0.5, 1.0, 0.4])
"""how far each layer is out of balance, as a power of the whole"""
KEPT = ("linear", "conv 3x3", "conv 5x5, stride 2", "ReLU", "leaky ReLU 0.2", "dropout 0.3", "average pool 2x2")
SETS = {
    # prototype: median losses and exponents of best rates, in the order of INITS (additions, part d); d_in, classes
    "iris": ((0.502, 0.502, 0.512, 0.514), (3, 1, 1, 1), 4, 3, 150),
    "wine": ((0.102, 0.114, 0.098, 0.102), (3, 2, 3, 2), 13, 3, 178),
    "glass": ((1.201, 1.169, 1.130, 1.143), (3, 2, 3, 2), 9, 6, 214),
    "vowel": ((1.331, 1.289, 1.200, 1.310), (3, 2, 2, 2), 10, 11, 528),
    "vehicle": ((0.812, 0.717, 0.675, 0.755), (3, 2, 2, 1), 18, 4, 846),
    "segment": ((0.418, 0.384, 0.397, 0.429), (2, 1, 2, 1), 19, 7, 2310),
    "dna": ((0.0042, 0.0048, 0.0050, 0.0052), (4, 3, 5, 3), 180, 3, 2000),
    "optdigits": ((0.087, 0.075, 0.099, 0.065), (2, 3, 3, 3), 64, 10, 4000),
    "pendigits": ((0.100, 0.059, 0.172, 0.114), (3, 3, 3, 3), 16, 10, 4000),
    "letter": ((1.410, 1.195, 1.392, 1.396), (2, 3, 2, 1), 16, 26, 4000),
}
Losses = Mapping[str, tuple[Sequence[float], Sequence[int], int, int, int]]
LATE = {"geometric": 1.0, "fan-in": 1.08, "fan-out": 1.02, "arithmetic": 1.12}
"""loss of the last epoch over that at its end, so that the order depends on the reading"""
ALEXNET = {"geometric": (1.735, -2), "fan-in": (1.740, -2), "fan-out": (1.717, -3), "arithmetic": (1.741, -3)}
"""prototype: mean loss of the last epoch, exponent of the best rate"""


class Invented:
    """A study in the making: one method for each experiment."""

    def __init__(self, seed: int = 0) -> None:
        self.generator = np.random.default_rng(seed)
        self.rows: dict[str, list[Any]] = {name: [] for name in ROWS}
        self.parts: dict[str, Any] = {}

    @property
    def tables(self) -> Tables:
        frames = {}
        for name, row_type in ROWS.items():
            columns = columns_of(row_type)
            frame = pd.DataFrame(self.rows[name]).reindex(columns=list(columns))
            for column, kind in columns.items():
                if kind.startswith("bool"):
                    frame[column] = frame[column].astype("boolean")
                elif kind.startswith("float") or kind == "int?":
                    frame[column] = frame[column].astype(float)
            frames[name] = frame
        return Tables("scaling", frames, {"kind": "scaling", "name": "invented", "parts": self.parts})

    def part(self, name: str, experiment: str, **setting: Any) -> None:
        self.parts[name] = {"experiment": experiment, experiment: setting}

    def unit(self, part: str, **fields: Any) -> str:
        """Adds a finished unit; its id."""
        index = len(self.rows["units"])
        common = {"part": part, "index": index, "status": "ok", "attempts": 1, "seconds": 1.0, "device": "cpu"}
        self.rows["units"].append({"unit_id": f"u{index:06d}", **common, **fields})
        return f"u{index:06d}"

    def operations(self, claims: bool, draws: int = 40) -> None:
        self.part("operations", "operations", draws=draws)
        values = dict.fromkeys(KEPT, 1.0) | {
            name: (one.low + one.high) / 2 for name, one in thresholds.NOT_KEPT.items()
        }
        for name, value in values.items():
            weights = {"kept_weights": 1.0, "kept_weights_error": 0.004} if name in {"linear", "conv 3x3"} else {}
            self.unit("operations", operation=name, kept=value * (1 if claims else 1.3), kept_error=0.003, **weights)

    def ratio(self, claims: bool, setups: int = 100, samples: int = 1024) -> None:
        self.part("ratio", "ratio", setups=setups, samples=samples)
        tilt = np.ones(5) if claims else 100.0**PROFILE
        for setup in range(setups):
            hessian = 4e5 * tilt * self.generator.lognormal(sigma=0.3, size=5)
            gamma = hessian * self.generator.lognormal(-0.1, 0.3, size=5) * (1 if claims else 3)
            ratio = gamma / self.generator.lognormal(0, 0.1, size=5) / (1 if claims else 2)
            spreads = (values.max() / values.min() for values in (hessian, gamma, ratio))
            names = ("hessian_imbalance", "gamma_imbalance", "ratio_imbalance")
            about = dict(zip(names, spreads, strict=True))
            unit = self.unit("ratio", init="geometric", setup=setup, offline_imbalance=1.0, **about)
            balance = np.array([22.0, 22.0, 19.0, 0.77, 0.04]) * (1 if claims else 30)
            for place, kind in enumerate(LAYERS):
                common = {"unit_id": unit, "layer": place, "place": "outside"}
                measured = {"gamma": gamma[place], "hessian": hessian[place], "ratio": ratio[place]}
                own = {"name": str(2 * place), "kind": kind, "N": 1000, "terms": 25.0, "x_second": 1.0}
                self.rows["layers"].append(common | own | measured)
                bias = hessian[place] / balance[place]
                own = {"name": f"{2 * place}.bias", "kind": "bias", "N": 10, "hessian": bias}
                self.rows["layers"].append(common | own | {"gamma": 0.9 * bias * (1 if claims else 3)})

    def blocks(self, claims: bool, setups: int = 20, samples: int = 32) -> None:
        self.part("blocks", "blocks", setups=setups, samples=samples)
        for setup in range(setups):
            noise = self.generator.lognormal(sigma=0.1, size=(5, 5))
            for init in INITS:
                whole = PLANNED[init] if claims else 30.0 if init == "geometric" else 2.0
                diagonal = 1e4 * whole**PROFILE
                imbalance = float(diagonal.max() / diagonal.min())
                about = {"init": init, "setup": setup, "offline_imbalance": PLANNED[init]}
                unit = self.unit("blocks", hessian_imbalance=imbalance, **about)
                for row, column in product(range(5), range(5)):
                    if row <= column:
                        square = math.sqrt(diagonal[row] * diagonal[column]) * noise[row, column]
                        square *= 1.9 if row < column and claims else 1.0
                        sizes = {"row_size": 1000, "column_size": 1000}
                        share = square / (1.9 if row < column else 1.0)
                        values = {"square": square, "gauss_newton": share}
                        place = {"unit_id": unit, "row": row, "column": column}
                        self.rows["blocks"].append(place | sizes | values)

    def residual(self, claims: bool, setups: int = 100, blocks: int = 6, size: int = 8) -> None:
        self.part("residual", "residual", setups=setups, blocks=blocks, size=size)
        groups = product(("equal", "widen-pool", "widen-subsample"), ("half", "rescale"), (False, True))
        for variant, weighting, scaled in groups:
            layers = _bottlenecks(variant, weighting, scaled, blocks, covered(size), claims)
            for setup in range(setups):
                about = {"init": "geometric", "setup": setup, "variant": variant, "weighting": weighting}
                unit = self.unit("residual", block_scaled=scaled, **about)
                factors = self.generator.lognormal(sigma=0.2, size=len(layers))
                for number, (layer, factor) in enumerate(zip(layers, factors, strict=True)):
                    self.rows["layers"].append(
                        {"unit_id": unit, "layer": number, "N": 100, **layer, "ratio": layer["ratio"] * factor}
                    )

    def libsvm(
        self, losses: Losses = SETS, seeds: int = 5, rates: tuple[int, int] = (-6, 5), name: str = "libsvm", **more: Any
    ) -> None:
        setting = {"points": 4000, "seeds": seeds, "rates": list(rates), "hidden": [384, 64]} | more
        self.part(name, "libsvm", **setting)
        for dataset, (medians, best, d_in, classes, points) in losses.items():
            noise = {init: self.generator.permutation(np.linspace(-0.06, 0.06, seeds)) for init in INITS}
            for (place, init), seed in product(enumerate(INITS), range(seeds)):
                about = {"dataset": dataset, "points": points, "d_in": d_in, "classes": classes}
                final = {
                    exponent: medians[place] * (1 + 0.2 * (exponent - best[place]) ** 2) * (1 + noise[init][seed])
                    for exponent in range(rates[0], rates[1] + 1)
                }
                self._training(name, init, seed, final, epochs=5, late=LATE[init], **about)

    def alexnet(self, finals: Mapping[str, tuple[float, int]] = ALEXNET, seeds: int = 5, **more: Any) -> None:
        setting = {**thresholds.SMALL_ALEXNET, "seeds": seeds} | more
        self.part("alexnet", "alexnet", **setting)
        for seed in range(seeds):
            common = float(self.generator.normal(scale=0.02))
            for init, (loss, best) in finals.items():
                own = float(self.generator.normal(scale=0.01))
                final = {
                    exponent: (loss + common + own) * (1 + 0.1 * abs(exponent - best)) for exponent in (-4, -3, -2, -1)
                }
                about = {"dataset": "cifar10", "points": 5000, "d_in": 3072, "classes": 10, "offline_imbalance": 14.0}
                self._training("alexnet", init, seed, final, epochs=int(setting["epochs"]), late=1.0, **about)

    def resnet(self, seeds: int = 3) -> None:
        self.part("resnet", "resnet", seeds=seeds, epochs=3)
        for seed, scaled in product(range(seeds), (True, False)):
            about = {"variant": "widen-subsample", "weighting": "rescale", "block_scaled": scaled}
            loss = 1.5 + 0.01 * seed + (0.0 if scaled else 0.1 + 0.01 * seed)
            self._training("resnet", "geometric", seed, {-3: loss}, epochs=3, late=1.0, dataset="cifar10", **about)

    def _training(
        self, part: str, init: str, seed: int, final: Mapping[int, float], *, epochs: int, late: float, **about: Any
    ) -> None:
        """A unit with a run at each exponent, the epochs of each falling to the loss of the last."""
        unit = self.unit(part, init=init, seed=seed, runs=len(final), best_loss=min(final.values()), **about)
        for run, (exponent, loss) in enumerate(final.items()):
            row = {"unit_id": unit, "run": run, "exponent": exponent, "rate": 2.0**exponent}
            self.rows["runs"].append(
                row | {"status": "ok", "train_loss": loss, "epoch_loss": late * loss, "train_error": 0.1 * loss}
            )
            for epoch in range(1, epochs + 1):
                value = late * loss * (1 + 0.3 * (epochs - epoch))
                self.rows["epochs"].append({"unit_id": unit, "run": run, "epoch": epoch, "train_loss": value})


def _bottlenecks(
    variant: str, weighting: str, scaled: bool, blocks: int, coverage: float, claims: bool
) -> list[dict[str, Any]]:
    """The layers of a residual network with their exact ratios."""
    layers = [{"name": "0", "kind": "conv", "place": "outside", "share": 1.0, "ratio": 1.0}]
    for block in range(1, blocks + 1):
        share = 0.5 if weighting == "half" else 1 / (blocks + block - 1)
        ratio = (1.0 if scaled else share * coverage) if claims else (0.3 if scaled else 0.9)
        for number in (1, 3, 5):
            own = {"name": f"{block}.main.{number}", "kind": "conv", "place": "main"}
            layers.append(own | {"share": share, "ratio": ratio})
        own = {"name": f"{block}.main.6", "kind": "scalar", "place": "main"}
        layers.append(own | {"share": share, "ratio": ratio})
        if variant != "equal" and block > 1:
            uneven = 8.0 if variant == "widen-pool" and claims else 1.0
            own = {"name": f"{block}.shortcut.0", "kind": "conv", "place": "shortcut"}
            layers.append(own | {"share": 1 - share, "ratio": uneven * (1.0 if scaled else 1 - share)})
    if variant == "widen-pool" and not claims:
        layers = [layer | {"ratio": 1.0} for layer in layers]
    return [*layers, {"name": "9", "kind": "linear", "place": "outside", "share": 1.0, "ratio": 1.0}]


def scaling_tables(*, claims: bool = True, parts: Iterable[str] | None = None) -> Tables:
    """A finished study like `scaling-small`, all of its parts or some: as the prototype found it, or not at all so."""
    study = Invented()
    for name in parts or ("operations", "ratio", "blocks", "libsvm", "alexnet", "residual"):
        if name == "libsvm":
            study.libsvm(SETS if claims else UNLIKE)
        elif name == "alexnet":
            study.alexnet(ALEXNET if claims else {init: (1.3 + 0.3 * place, -2) for place, init in enumerate(INITS)})
        else:
            getattr(study, name)(claims)
    return study.tables


UNLIKE: Losses = {name: ((0.3, 0.6, 0.5, 1.0), *rest) for name, (_, *rest) in SETS.items()}
"""geometric three times as good as the worst on every set"""
