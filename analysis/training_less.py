"""How much training does it save to train only networks whose initial NLC lies in a range, and what does that lose?

    python training_less.py [DIR [LOW HIGH]]

A study file asks for such a range with `train_if: init_nlc between LOW and HIGH`; the study here trained all.
"""

import sys

import numpy as np

from distnlc import analysis
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.nlc.parts import parts_of
from distnlc.analysis.nlc.saving import study_of

folder = sys.argv[1] if len(sys.argv) > 1 else analysis.EXAMPLE
low, high = map(float, sys.argv[2:4] or (1, 5))
for part in parts_of(analysis.load(folder).architectures):
    try:
        study = study_of(part)
    except MissingRecordsError as error:
        print(error)
        continue
    kept = study.inside(low, high)
    random = np.random.default_rng(0)
    by_chance = [study.lost(random.permutation(kept)) for _ in range(2000)]
    print(
        f"{part.title}: {kept.sum()} of {kept.size} architectures have an NLC between {low:g} and {high:g}; training "
        f"them alone saves {study.saved(kept):.0%} of the epochs and loses {study.lost(kept):.1f} percentage points of "
        f"the lowest {part.error_name}; as many at random lose {np.mean(by_chance):.1f}"
    )
