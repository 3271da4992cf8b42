"""Reads a study folder: tables as pandas frames, correlations, figures, tables of the paper, an HTML report.

This page lists what other code uses; figures run alone as `python -m analysis.figures.figure2 DIR`.
"""

from pathlib import Path

from distnlc.analysis.load import Tables, load
from distnlc.analysis.statistics.correlations import Correlation, correlate

EXAMPLE = Path(__file__).parent / "examples" / "nlc"
"""A small finished study that ships with the package, to try the analysis on."""

__all__ = ["EXAMPLE", "Correlation", "Tables", "correlate", "load"]
