"""How much training does it save to train only networks whose initial metrics lie in ranges, and what does that lose?

    python training_less.py [DIR [CONDITIONS]]

A study file asks for the same by `train_if: CONDITIONS`, such as "init_nlc between 1 and 5 and init_bias below 10"; any
initial metric will do. The study here trained all.
"""

import sys
from dataclasses import replace

import numpy as np

from distnlc import analysis
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.expectation import with_measurements
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.nlc.saving import study_of
from distnlc.studies.nlc.train_if import parse_train_if

folder = sys.argv[1] if len(sys.argv) > 1 else analysis.EXAMPLE
text = sys.argv[2] if len(sys.argv) > 2 else "init_nlc between 1 and 5"
wanted, tables = parse_train_if(text), analysis.load(folder)
for part in parts_of(tables.architectures):
    try:
        study = study_of(replace(part, rows=with_measurements(part.rows, tables.measurements)))
    except MissingRecordsError as error:
        print(error)
        continue
    for unknown in {condition.name for condition in wanted.conditions} - set(study.rows):
        sys.exit(f"{part.title}: {unknown!r} is not among its columns and measurements")
    known = [{str(name): value for name, value in row.items()} for row in study.rows.to_dict("records")]
    kept = np.array([wanted.why_not(row) is None for row in known])
    random = np.random.default_rng(0)
    by_chance = [study.lost(random.permutation(kept)) for _ in range(2000)]
    print(
        f"{part.title}: {kept.sum()} of {kept.size} architectures have {text}; training them alone saves "
        f"{study.saved(kept):.0%} of the epochs and loses {study.lost(kept):.1f} percentage points of the lowest "
        f"{part.error_name}; as many at random lose {np.mean(by_chance):.1f}"
    )
