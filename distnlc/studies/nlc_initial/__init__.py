"""Networks at initialization: tables 1 and 2 of the NLC paper, its sphere pictures, and its confounders measured.

A unit is one network, one activation function alone, one architecture with all that can be done to it without changing
how well it learns, or one picture.
"""

from distnlc.plugins import Kind
from distnlc.studies.nlc_initial.records import MovementRow, NetworkRow, PixelRow
from distnlc.studies.nlc_initial.spec import Spec
from distnlc.studies.nlc_initial.units import known, units

KIND = Kind(
    name="nlc-initial",
    spec=Spec,
    tables={"networks": NetworkRow, "movements": MovementRow, "pixels": PixelRow},
    units=units,
    run="distnlc.studies.nlc_initial.unit:run",
    prepare="distnlc.studies.nlc_initial.unit:prepare",
    known=known,
    seconds="distnlc.studies.nlc_initial.unit:seconds",
    report="distnlc.analysis.nlc_initial.report:REPORT",
    presets="distnlc.studies.nlc_initial",
)
