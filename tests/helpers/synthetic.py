"""Invented studies that look like real ones: rows of any kind from its columns, and NLC studies, without training."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from distnlc.analysis.tables import Tables
from distnlc.plugins import kind_of
from distnlc.records import DIVERGED, FAILED, OK, Quantity, columns_of, quantities
from distnlc.spec import StudySpec
from distnlc.store import Store, arrow_schema
from distnlc.store.arrow import to_arrow
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow

ACTIVATIONS = ("relu", "selu", "tanh", "sigmoid", "even-tanh", "gaussian", "square", "odd-square")
SIZES = {"waveform-noise": (40, 3), "mnist": (334, 10), "cifar10": (810, 10)}
"""dataset -> features and classes"""
MEASURED = ("initial", "cost", "sweep", "trained", "result")
"""groups of the columns that a failed unit has not"""


def invented(row_type: type, **fields: Any) -> Any:
    """A row of any type; what is not given is what a column of its type and unit may hold, costs and reasons None."""
    for name, kind, quantity in _columns(row_type):
        if quantity.group == "cost" or (quantity.group == "status" and kind.endswith("?")):
            continue
        by_type: dict[str, Any] = {"str": name, "int": 1, "bool": False, "float": 1.5}
        value = 0.2 if quantity.unit == "fraction" else by_type[kind.rstrip("?")]
        fields.setdefault(name, value)
    return row_type(**fields)


@cache
def _columns(row_type: type) -> list[tuple[str, str, Quantity]]:
    """Name, type and quantity of every column."""
    types = columns_of(row_type)
    return [(name, types[name], quantity) for name, quantity in quantities(row_type).items()]


def architecture_row(index: int = 0, **changes: Any) -> ArchitectureRow:
    """One finished architecture of the waveform study; `changes` overrides fields."""
    fields: dict[str, Any] = {
        "unit_id": f"unit{index:04d}{changes.get('part', 'waveform')}",
        "architecture_id": f"arch{index:04d}",
        "part": "waveform",
        "index": index,
        "initialization": 0,
        "dataset": "waveform-noise",
        "train_points": None,
        "optimizer": "sgd",
        "criterion": "validation-error",
        "seed": 7 + index,
        "d_in": 40,
        "d_out": 3,
        "depth": 3 + 2 * (index % 24),
        "width": 50,
        "parameters": 10_000,
        "activation": ACTIVATIONS[index % 8],
        "normalization": ("none", "batch", "layer")[index % 3],
        "skip_strength": 0.0,
        "status": OK,
        "seconds": 12.5,
        "init_lipschitz": None,
        "activation_nlc": None,
        "activation_linear_error": None,
        "runs": 3,
        "epochs": 120,
        "test_error": 0.21,
    }
    row: ArchitectureRow = invented(ArchitectureRow, **(fields | changes))
    return row


def failed_row(index: int, **changes: Any) -> ArchitectureRow:
    """An architecture whose unit was given up: drawn, never measured."""
    empty: dict[str, Any] = {
        name: None for name, quantity in quantities(ArchitectureRow).items() if quantity.group in MEASURED
    }
    reason = "out of memory; rerun: distnlc run study.yaml --unit <unit>"
    return architecture_row(index, **(empty | {"status": FAILED, "reason": reason, "attempts": 3} | changes))


def run_rows(row: ArchitectureRow) -> list[RunRow]:
    """The runs that belong to a finished architecture, the last of them diverged."""
    return [
        invented(
            RunRow,
            unit_id=row.unit_id,
            architecture_id=row.architecture_id,
            run=run,
            start_rate=1e-3 * 3.0**run,
            status=DIVERGED if run >= (row.runs or 0) - (row.diverged_runs or 0) else OK,
            val_error=row.val_error,
            test_error=row.test_error,
            train_error=row.train_error,
        )
        for run in range(row.runs or 0)
    ]


def epoch_row(run: RunRow) -> EpochRow:
    """The first epoch of a run."""
    loss = float("nan") if run.status == DIVERGED else 1.1
    row: EpochRow = invented(
        EpochRow,
        unit_id=run.unit_id,
        architecture_id=run.architecture_id,
        run=run.run,
        epoch=0,
        rate=run.start_rate,
        train_loss=loss,
        val_error=run.val_error,
        train_error=None,
    )
    return row


def _drawn(generator: np.random.Generator, dataset: str, optimizer: str, criterion: str) -> dict[str, Any]:
    """What is known of an architecture before it is measured."""
    d_in, d_out = SIZES[dataset]
    return {
        "part": f"{dataset}-{optimizer}" + "-training-error" * (criterion == "training-error"),
        "dataset": dataset,
        "optimizer": optimizer,
        "criterion": criterion,
        "d_in": d_in,
        "d_out": d_out,
        "depth": int(generator.integers(1, 25)) * 2 + 1,
        "width": int(10 ** generator.uniform(1.3, 2.5)),
        "activation": str(generator.choice(ACTIVATIONS)),
        "skip_strength": float(generator.choice([0.0, 0.0, 1.0, generator.random()])),
    }


def realistic_rows(
    count: int,
    dataset: str = "waveform-noise",
    *,
    optimizer: str = "sgd",
    criterion: str = "validation-error",
    seed: int = 0,
    failures: float = 0.02,
    **changes: Any,
) -> list[ArchitectureRow]:
    """`count` architectures whose quantities go together about as in the paper; a fraction failed."""
    generator = np.random.default_rng(seed)
    guessing = 1 - 1 / SIZES[dataset][1]
    floor = {"waveform-noise": 0.14, "mnist": 0.02, "cifar10": 0.42}[dataset]
    by_training = criterion == "training-error"

    def noise(spread: float) -> float:
        return float(np.exp(spread * generator.normal()))

    rows = []
    for index in range(count):
        nlc = float(
            1 + np.exp(generator.normal(0.3, 1.6)) + (10 ** generator.uniform(2, 17)) * (generator.random() < 0.2)
        )
        bias = float(10 ** generator.uniform(-1, 2) if generator.random() < 0.85 else 10 ** generator.uniform(3, 9))
        shape = 1 / (1 + np.exp(-(np.log(nlc) - 3 + 2 * generator.normal())))
        error = float(np.clip(floor + (guessing - floor) * shape + 0.01 * generator.normal(), 0, 1))
        train_error = float(0.5 * error * (generator.random() < 0.3)) if by_training else 0.9 * error
        rate = (0.03 * nlc**-2 if by_training else 0.03 * nlc**-0.3) * noise(1.0)
        run = int(np.clip(round((34 if by_training else 18) + np.log(rate) / 3), 0, 59 if by_training else 39))
        jacobian = nlc * noise(1.5)
        trained_nlc = 1 + nlc**0.6 * noise(0.5)
        drawn = _drawn(generator, dataset, optimizer, criterion) | changes
        measured = {
            "init_nlc": nlc,
            "init_bias": bias,
            "init_jacobian_norm": jacobian,
            "init_gradient_component": 0.05 * jacobian * noise(0.5),
            "init_gradient_length": 0.3 * jacobian * noise(0.5),
            "init_local_lipschitz": 0.8 * jacobian * noise(0.2),
            "init_cosine_correlation": float(generator.uniform(0, 1)),
            "init_relative_diameter": 0.6 / nlc * noise(0.3),
            "init_linear_region": 1.2 / nlc,
            "test_error": error,
            "val_error": None if by_training else error,
            "train_error": train_error,
            "runs": 60 if by_training else 40,
            "epochs": 75 * (60 if by_training else 40),
            "best_run": run,
            "best_rate": rate,
            "diverged_runs": int(generator.integers(5, 20)),
            "best_at_edge": bool(generator.random() < 0.02),
            "trained_nlc": trained_nlc,
            "trained_nlc_test": trained_nlc * noise(0.1),
            "trained_bias": 0.1 + bias**0.5 * noise(0.5),
            "trained_perturbation": 0.5 * trained_nlc**-0.8 * noise(0.6),
        }
        failed = generator.random() < failures
        rows.append(failed_row(index, **drawn) if failed else architecture_row(index, **(drawn | measured | changes)))
    return rows


def paper_rows(count: int) -> list[ArchitectureRow]:
    """All five parts of the paper, `count` architectures each."""
    return [
        *realistic_rows(count, "cifar10", seed=1),
        *realistic_rows(count, "mnist", seed=2),
        *realistic_rows(count),
        *realistic_rows(count, optimizer="adam", seed=3),
        *realistic_rows(count, criterion="training-error", seed=4),
    ]


def records_of(row: ArchitectureRow) -> dict[str, list[Any]]:
    """An architecture, its runs and one epoch a run."""
    runs = run_rows(row)
    return {"architectures": [row], "runs": runs, "epochs": [epoch_row(run) for run in runs]}


def tables_of(rows: Sequence[ArchitectureRow]) -> Tables:
    """As `load` gives them, without a folder."""
    records, frames = [records_of(row) for row in rows], {}
    for table, row_type in kind_of("nlc").tables.items():
        every = [row for unit in records for row in unit.get(table, ())]
        frames[table] = to_arrow(every, arrow_schema(row_type), table).to_pandas()
    frames["architectures"] = frames["architectures"].astype({"best_at_edge": "boolean"})
    return Tables("nlc", frames)


def write_study(folder: Path, rows: list[ArchitectureRow], spec: StudySpec | None = None, **fields: Any) -> Path:
    """A study folder with these architectures, their runs and one epoch a run, as the engine leaves it."""
    spec = spec or StudySpec(**({"kind": "nlc", "name": "synthetic"} | fields))
    with Store.create_or_open(folder, spec, kind_of("nlc").tables) as store:
        commits = [(row.unit_id, row.status, records_of(row)) for row in rows]
        if commits:
            store.commit(commits)
    return folder
