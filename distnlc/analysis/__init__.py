"""The library of answers: a study's tables as pandas frames, correlations, figures, tables of the papers, reports.

This page lists what other code uses; each name is imported when it is first used.
"""

from importlib import import_module
from pathlib import Path
from typing import Any

EXAMPLES = Path(__file__).parent / "examples"
"""small finished studies that ship with the package, one per kind"""
EXAMPLE = EXAMPLES / "nlc"
"""the one to try the analysis on"""

_HOME = {
    "Correlation": "distnlc.analysis.statistics.correlations",
    "correlate": "distnlc.analysis.statistics.correlations",
    "Tables": "distnlc.analysis.tables",
    "load": "distnlc.analysis.tables",
    "pairs": "distnlc.analysis.sensitivity.pairs",
}

__all__ = ["EXAMPLE", "EXAMPLES", *_HOME]  # noqa: PLE0604 (names of the map above)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'distnlc.analysis' has no attribute {name!r}; it has: {', '.join(__all__)}")
    return getattr(import_module(_HOME[name]), name)
