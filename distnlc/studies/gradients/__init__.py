"""Exploding gradients, effective depth, residual networks (Philipp, Song and Carbonell 2018).

A unit is one network at initialization on noise, one training with all its step sizes, or one family of checks.
"""

from distnlc.plugins import Kind
from distnlc.studies.gradients.records import CheckRow, EpochRow, LayerRow, NetworkRow, TaylorRow
from distnlc.studies.gradients.spec import Spec
from distnlc.studies.gradients.units import known, rows, units

KIND = Kind(
    name="gradients",
    spec=Spec,
    tables={
        "networks": NetworkRow,
        "layers": LayerRow,
        "epochs": EpochRow,
        "taylor": TaylorRow,
        "checks": CheckRow,
    },
    units=units,
    run="distnlc.studies.gradients.unit:run",
    prepare="distnlc.studies.gradients.unit:prepare",
    known=known,
    seconds="distnlc.studies.gradients.cost:seconds",
    rows=rows,
    bench="distnlc.studies.gradients.speed:measure",
    report="distnlc.analysis.gradients.report:REPORT",
    presets="distnlc.studies.gradients",
)
