"""A scaling calculus for ReLU networks (Defazio and Bottou 2019).

A unit is one operation, one measured network, or one network that is trained at all its learning rates.
"""

from distnlc.plugins import Kind
from distnlc.studies.scaling.records import BlockRow, EpochRow, LayerRow, RunRow, UnitRow
from distnlc.studies.scaling.spec import Spec
from distnlc.studies.scaling.units import known, rows, units
from distnlc.studies.scaling.view import Headline

KIND = Kind(
    name="scaling",
    spec=Spec,
    tables={"units": UnitRow, "layers": LayerRow, "blocks": BlockRow, "runs": RunRow, "epochs": EpochRow},
    units=units,
    run="distnlc.studies.scaling.unit:run",
    prepare="distnlc.studies.scaling.unit:prepare",
    known=known,
    seconds="distnlc.studies.scaling.calibration:seconds",
    rows=rows,
    headline=Headline,
    bench="distnlc.studies.scaling.speed:measure",
    report="distnlc.analysis.scaling.report:REPORT",
    presets="distnlc.studies.scaling",
)
