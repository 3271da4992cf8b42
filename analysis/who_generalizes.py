"""Which architectures generalize? Their errors by what was drawn, and whether the NLC tells the error within each kind.

    python who_generalizes.py [DIR]

Best and median: of the errors, in percent. r: of log initial NLC with the error, within that kind alone.
"""

import sys

from distnlc import analysis
from distnlc.analysis.drawing import format as text
from distnlc.analysis.nlc.parts import parts_of

folder = sys.argv[1] if len(sys.argv) > 1 else analysis.EXAMPLE
for part in parts_of(analysis.load(folder).architectures):
    rows = part.rows[part.rows[part.error].notna()]
    skips = rows["skip_strength"].gt(0).map({True: "with skip connections", False: "without"})
    print(f"{part.title}: {len(rows)} architectures")
    for kinds in (rows["normalization"], rows["activation"], skips):
        for kind, own in rows.groupby(kinds):
            error = own[part.error]
            found = analysis.correlate(own["init_nlc"], error, log_x=True)
            print(
                f"  {kind:<22} n = {len(own):<3} best {100 * error.min():5.1f}, median {100 * error.median():5.1f};  "
                f"{text.strength(found)}"
            )
