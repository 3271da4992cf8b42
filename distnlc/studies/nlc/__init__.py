"""The study of the nonlinearity coefficient: which architectures generalize, told before training?

A unit is one architecture of one part: sampled, measured, swept over learning rates, the chosen run measured again.
"""

from distnlc.plugins import Kind
from distnlc.records import READ_BY_NAME
from distnlc.studies.nlc.cost import rows
from distnlc.studies.nlc.records import ArchitectureRow, EpochRow, RunRow
from distnlc.studies.nlc.spec import Spec
from distnlc.studies.nlc.units import known, units
from distnlc.studies.nlc.view import Headline, curves

KIND = Kind(
    name="nlc",
    spec=Spec,
    tables={"architectures": ArchitectureRow, "runs": RunRow, "epochs": EpochRow, **READ_BY_NAME},
    units=units,
    run="distnlc.studies.nlc.unit:run",
    prepare="distnlc.studies.nlc.unit:prepare",
    known=known,
    seconds="distnlc.studies.nlc.calibration:seconds",
    estimate="distnlc.studies.nlc.gpu_cost:estimate",
    rows=rows,
    headline=Headline,
    curves=curves,
    report="distnlc.analysis.nlc.report:REPORT",
    presets="distnlc.studies.nlc",
)
