"""Moments of signal and noise in random networks, layer by layer: well-behaved or pathological (Labatie 2019).

A unit is a block of simulations of one part: draws of images, noise and weights of the same sort of network.
"""

from distnlc.plugins import Kind
from distnlc.studies.moments.records import BlockRow, LayerRow
from distnlc.studies.moments.spec import Spec
from distnlc.studies.moments.units import known, rows, units

KIND = Kind(
    name="moments",
    spec=Spec,
    tables={"blocks": BlockRow, "layers": LayerRow},
    units=units,
    run="distnlc.studies.moments.unit:run",
    prepare="distnlc.studies.moments.unit:prepare",
    known=known,
    seconds="distnlc.studies.moments.unit:seconds",
    rows=rows,
    bench="distnlc.studies.moments.speed:measure",
    presets="distnlc.studies.moments",
)
