"""What a report shows, in its order: whoever adds a figure or a table adds its line here.

Each module of FIGURES offers `draw(tables) -> Drawing`, each of TABLES `tabulate(tables) -> Table`; both raise
MissingRecordsError where a study has no records for them.
"""

from types import ModuleType

from distnlc.analysis.nlc import (
    best_metric,
    figure1,
    figure2,
    figure3a,
    figure3b,
    figure3c,
    figure3d,
    figure3e,
    figure3f,
    figure4,
    figure5,
    figure7,
    figure8,
    figure9a,
    figure9b,
    figure9c,
    figure10,
    saving,
)
from distnlc.analysis.nlc_initial import confounders, table1, table2
from distnlc.analysis.nlc_initial import spheres as table2_spheres

FIGURES: tuple[ModuleType, ...] = (
    figure1,
    figure2,
    figure3a,
    figure3b,
    figure3c,
    figure3d,
    figure3e,
    figure3f,
    figure4,
    figure5,
    figure7,
    figure8,
    figure9a,
    figure9b,
    figure9c,
    figure10,
    saving,
    table2_spheres,
)

TABLES: tuple[ModuleType, ...] = (
    table1,
    table2,
    best_metric,
    confounders,
)
