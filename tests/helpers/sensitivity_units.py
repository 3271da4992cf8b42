"""Small studies of sensitivity on clusters, and their units."""

from pathlib import Path
from typing import Any

from distnlc.plugins import Work
from distnlc.records import Records
from distnlc.spec import Unit, merge
from distnlc.studies.sensitivity import unit as work
from distnlc.studies.sensitivity.records import NetworkRow
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.units import units

TINY: dict[str, Any] = {
    "kind": "sensitivity",
    "data": {"name": "clusters", "train": 60, "test": 40},
    "networks": {"widths": [7], "depths": [3], "seeds": 1},
    "training": {"batches": [8], "steps": 40, "optimizers": {"momentum": [0.01]}},
    "measure": {"jacobian_points": 30, "trajectories": 3},
}


def tiny(**changes: Any) -> Spec:
    """The small study with other fields, and without sections' lists that are replaced."""
    fields = merge(TINY, changes)
    if "optimizers" in changes.get("training", {}):
        fields["training"]["optimizers"] = changes["training"]["optimizers"]
    return Spec.parse(fields)


def run_unit(spec: Spec, index: int = 0, folder: Path | None = None) -> Records:
    """The rows of one unit, its data prepared first."""
    unit: Unit = units(spec)[index]
    work.prepare(spec, [unit.part])
    return work.run(spec, unit, Work(device="cpu", checkpoints=folder))


def network_row(records: Records) -> NetworkRow:
    (row,) = records["networks"]
    assert isinstance(row, NetworkRow)
    return row
