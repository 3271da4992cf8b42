"""Sensitivity and generalization (Novak, Bahri, Abolafia, Pennington and Sohl-Dickstein 2018).

A unit is one network that is trained once and measured.
"""

from distnlc.plugins import Kind
from distnlc.studies.sensitivity.records import CheckRow, CurveRow, LayerRow, NetworkRow, PointRow, RegionRow
from distnlc.studies.sensitivity.spec import Spec
from distnlc.studies.sensitivity.units import known, rows, units
from distnlc.studies.sensitivity.view import Headline, curves

KIND = Kind(
    name="sensitivity",
    spec=Spec,
    tables={
        "networks": NetworkRow,
        "checks": CheckRow,
        "layers": LayerRow,
        "curves": CurveRow,
        "points": PointRow,
        "regions": RegionRow,
    },
    units=units,
    run="distnlc.studies.sensitivity.unit:run",
    prepare="distnlc.studies.sensitivity.unit:prepare",
    known=known,
    seconds="distnlc.studies.sensitivity.cost:seconds",
    rows=rows,
    bench="distnlc.studies.sensitivity.speed:measure",
    headline=Headline,
    curves=curves,
    report="distnlc.analysis.sensitivity.report:REPORT",
    presets="distnlc.studies.sensitivity",
)
