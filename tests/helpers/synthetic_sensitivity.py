"""Invented studies of sensitivity in which the paper's claims hold, or in which sensitivity says nothing."""

import base64
import math
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from distnlc.analysis.sensitivity.bounds import bounds
from distnlc.analysis.tables import Tables
from tests.helpers.sensitivity_rows import CIFAR, MNIST, network, tables_of

BINS, GRID = 24, 32
ANCHORS = np.array([math.pi / 3, math.pi, 5 * math.pi / 3])
ACTIVATIONS = ("relu", "relu6", "tanh", "hardtanh", "hardsigmoid")


def sensitivity_tables(*, claims: bool = True, seed: int = 0, parts: Iterable[str] | None = None) -> Tables:
    """A finished study like `sensitivity-small`, all of its parts or some.

    claims: whether what the paper says holds; else sensitivity has nothing to do with the gap, the loss, the settings
    or the training points.
    """
    study = _Study(np.random.default_rng(seed), claims)
    for name in parts or _PARTS:
        _PARTS[name](study)
    return tables_of(study.networks, curves=study.curves, points=study.points, regions=study.regions)


class _Study:
    def __init__(self, generator: np.random.Generator, claims: bool) -> None:
        self.generator, self.claims = generator, claims
        self.networks = list[dict[str, Any]]()
        self.curves, self.points, self.regions = (list[dict[str, Any]]() for _ in range(3))

    def factor(self, claimed: float, spread: float = 0.03) -> float:
        """What the other setting multiplies by: by chance up or down where the claims do not hold."""
        noise = float(self.generator.normal())
        return claimed * math.exp(spread * noise) if self.claims else math.exp(0.2 * noise)

    def drawn(self, part: str, index: int, base: float, rise: float, **fields: Any) -> dict[str, Any]:
        """A network whose gap rises with its Jacobian norm, and whose transitions go with its neurons."""
        width, depth = fields["width"], fields["depth"]
        log_norm = float(self.generator.normal(0, 0.6))
        by = log_norm if self.claims else float(self.generator.normal(0, 0.6))
        gap = base + rise * by + 0.3 * rise * float(self.generator.normal())
        transitions = 3.0 * width * (depth - 1) * math.exp(0.2 * by + 0.1 * float(self.generator.normal()))
        return network(
            part,
            index,
            test_accuracy=1 - gap,
            jacobian_norm=math.exp(log_norm),
            logit_jacobian_norm=4 * math.exp(0.5 * log_norm + 0.4 * float(self.generator.normal())),
            transitions=transitions,
            train_loss=10 ** float(self.generator.uniform(-3, -1.5)),
            **fields,
        )

    def twin(self, row: dict[str, Any], ratios: tuple[float, float], gap: float, **fields: Any) -> dict[str, Any]:
        """The same network in the other setting."""
        own = {
            "unit_id": f"{row['unit_id']}t",
            "cell_id": f"{row['cell_id']}t",
            "jacobian_norm": row["jacobian_norm"] * self.factor(ratios[0]),
            "transitions": row["transitions"] * self.factor(ratios[1]),
            "gap": gap if self.claims else row["gap"] + 0.05 * float(self.generator.normal()),
        }
        return row | own | fields


def _labels(study: _Study) -> None:
    for index in range(30):
        about = {
            "activation": ACTIVATIONS[index % 5],
            "width": (30, 60, 120)[index % 3],
            "depth": (2, 3, 5)[index % 7 % 3],
        }
        row = study.drawn("labels", index, 0.72, 0.04, pair_labels=f"pl{index:03d}", **about)
        study.networks += [row, study.twin(row, (1.25, 1.12), 0.9, labels="random")]


def _activations(study: _Study) -> None:
    for index in range(16):
        about = {
            "width": (100, 120, 160)[index % 3],
            "depth": (2, 3, 5)[index % 7 % 3],
            "optimizer": "adam",
            "rate": 0.001,
        }
        row = study.drawn("activations", index, 0.72, 0.04, pair_activation=f"pa{index:03d}", **about)
        rise = row["gap"] + 0.02
        study.networks += [row, study.twin(row, (1.5, 2.6), rise, activation="hardsigmoid", fitted=index != 3)]


def _mnist(study: _Study) -> None:
    cells = [
        (name, w, d) for name in ("relu", "relu6", "hardtanh", "hardsigmoid") for w in (30, 100, 200) for d in (2, 3, 5)
    ]
    for index, (activation, width, depth) in enumerate(cells):
        paired = {"pair_activation": f"pm{width}{depth}"} if activation in {"relu", "hardsigmoid"} else {}
        above = study.claims * (activation == "hardsigmoid")
        for seed in (1, 2):
            row = study.drawn(
                "mnist",
                2 * index + seed,
                0.1,
                0.01,
                activation=activation,
                width=width,
                depth=depth,
                seed=seed,
                **MNIST,
                **paired,
            )
            row |= {"cell_id": f"cm{index:03d}", "gap": row["gap"] + 0.05 * above}
            row |= {"jacobian_norm": row["jacobian_norm"] * 4**above, "transitions": row["transitions"] * 3**above}
            study.networks.append(row)


def _augmentation(study: _Study) -> None:
    for index in range(12):
        about = {"width": (50, 100, 200)[index % 3], "depth": 2 + index % 2, "train_points": 1000}
        row = study.drawn("augmentation", index, 0.72, 0.03, pair_augmentation=f"pg{index:03d}", **about)
        augmented = study.twin(
            row, (0.55, 0.6), 0.3, augmentation="shift-flip", fitted=False, stop="steps", train_accuracy=0.6
        )
        better = 0.03 if study.claims else 0.03 * float(study.generator.normal())
        study.networks += [row, augmented | {"test_accuracy": row["test_accuracy"] + better}]


def _optimizers(study: _Study) -> None:
    for index in range(12):
        about = {"activation": ACTIVATIONS[index % 4], "width": 50 + 50 * (index % 2), "depth": (2, 3, 5)[index % 3]}
        row = study.drawn("optimizers", index, 0.72, 0.03, pair_optimizer=f"po{index:03d}", train_points=1000, **about)
        full = {"optimizer": "lbfgs", "rate": None, "batch": 1000}
        study.networks += [row, study.twin(row, (1.2, 1 + 0.1 * (-1) ** index), row["gap"] + 0.02, **full)]


def _ellipses(study: _Study) -> None:
    angles = 2 * math.pi * np.arange(BINS) / BINS
    far = np.abs((angles[:, None] - ANCHORS + math.pi) % (2 * math.pi) - math.pi).min(axis=1) / (math.pi / 3)
    levels = {"random": (1.2, 0.0, 0.0), "different": (0.6, 4.0, 0.7), "same": (0.06, 2.5, 0.2)}
    for index in range(8):
        row = network("ellipses", index, width=100, depth=10, **MNIST)
        study.networks.append(row)
        for kind, (level, dip, fewer) in levels.items():
            for number in range(3):
                shape, noise = (1 - far) * study.claims, study.generator.normal(0, 0.1, (2, BINS))
                top = level if study.claims else 1.0
                norm = top * np.exp(-dip * shape + noise[0])
                steps = (30.0 if not study.claims else 20 + 10 * math.log10(level * 20)) * np.exp(
                    -fewer * shape + noise[1]
                )
                study.curves += [
                    {
                        "unit_id": row["unit_id"],
                        "kind": kind,
                        "ellipse": number,
                        "bin": place,
                        "angle": angles[place],
                        "norm": 28.0,
                        "jacobian_norm": norm[place],
                        "transitions": round(steps[place]),
                        "transitions_last": round(steps[place] / 4),
                        "anchors": "" if kind == "random" else "1,2,3",
                    }
                    for place in range(BINS)
                ]


def _regions(study: _Study) -> None:
    for index in range(2):
        row = network("regions", index, activation="relu6", width=100, depth=10, **MNIST)
        study.networks.append(row)
        for state in ("initial", "trained"):
            for plane in range(8):
                opposite = 0.4 * math.exp(0.1 * float(study.generator.normal()))
                drop = 0.55 if study.claims and state == "trained" else 1.0
                near = opposite * drop * math.exp(0.05 * float(study.generator.normal()))
                study.regions.append(
                    {
                        "unit_id": row["unit_id"],
                        "state": state,
                        "plane": plane,
                        "anchors": "1,2,3",
                        "grid": GRID,
                        "near": near,
                        "opposite": opposite,
                        "elsewhere": 0.4,
                        "centre": 0.6,
                        "boundaries": packed(boundary_map(drop)) if plane == 0 else None,
                    }
                )


def boundary_map(drop: float) -> np.ndarray:
    """(GRID, GRID) bytes with fewer boundaries near the three points if drop < 1."""
    ticks = np.linspace(-1, 1, GRID)
    q, p = np.meshgrid(ticks, ticks, indexing="ij")
    near = np.min([np.hypot(p - 0.8 * math.cos(a), q - 0.8 * math.sin(a)) for a in ANCHORS], axis=0) < 0.3
    drawn = np.random.default_rng(1).poisson(3.0, (GRID, GRID))
    return np.asarray(np.where(near, drop * drawn, drawn).round(), dtype=np.uint8)


def packed(values: np.ndarray) -> str:
    """A map as its column holds it."""
    return base64.b64encode(zlib.compress(values.tobytes())).decode()


def _points(study: _Study) -> None:
    for dataset, about, error in (("mnist", MNIST, 0.1), ("cifar10", CIFAR, 0.72)):
        for loss in ("cross-entropy", "l2"):
            for index in range(3):
                row = network(f"points-{dataset}-{loss}", index, loss=loss, activation=ACTIVATIONS[index], **about)
                _add_points(study, row, error)


def _bounds(study: _Study) -> None:
    for index in range(2):
        _add_points(study, network("bounds", index, activation=ACTIVATIONS[index], **CIFAR), 0.72, falls=False)


def _add_points(study: _Study, row: dict[str, Any], error: float, count: int = 200, falls: bool = True) -> None:
    """Points near the bounds of the study, or with norms that have nothing to do with the loss."""
    generator = study.generator
    wrong = generator.uniform(size=count) < error
    sure = 1.2 if error > 0.5 else 1.8  # errors are rare where correct points are certain
    margin = np.where(wrong, -np.exp(generator.normal(0.6, 0.6, count)), np.exp(generator.normal(sure, 0.6, count)))
    loss = np.logaddexp(0, -margin)
    expected, noise = bounds(loss, 1.2, 10), np.exp(generator.normal(0, 0.08, (2, count)))
    # a misclassified point that is certain of its class has a small norm
    full = np.where(wrong & falls, 1.5 / (2 + 2 * np.cosh(margin)), expected.norm)
    norm = full * noise[0] if study.claims else np.exp(generator.normal(-1, 1.5, count))
    own = 1.2 * expected.low * noise[1] if study.claims else np.exp(generator.normal(0, 1.5, count))
    study.networks.append(row)
    study.points += [
        {
            "unit_id": row["unit_id"],
            "point": place,
            "label": 3,
            "predicted": 4 if wrong[place] else 3,
            "loss": loss[place],
            "jacobian_norm": norm[place],
            "class_jacobian_norm": own[place],
            "logit_jacobian_norm": math.sqrt(12.0),
            "probability": math.exp(-loss[place]),
            "complement": -math.expm1(-loss[place]),
        }
        for place in range(count)
    ]


_PARTS = {
    "ellipses": _ellipses,
    "regions": _regions,
    "mnist": _mnist,
    "augmentation": _augmentation,
    "labels": _labels,
    "activations": _activations,
    "optimizers": _optimizers,
    "points": _points,
    "bounds": _bounds,
}
