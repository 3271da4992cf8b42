"""Reads a study folder: tables as pandas frames, correlations, figures, tables of the paper, an HTML report.

This page lists what other code uses; figures run alone as `python -m analysis.figures.figure2 DIR`.
"""

from pathlib import Path

from analysis.correlations import Correlation, correlate
from analysis.load import Tables, load

EXAMPLE = Path(__file__).parent / "example_study"
"""A small finished study that ships with the package, to try the analysis on."""

__all__ = ["EXAMPLE", "Correlation", "Tables", "correlate", "load"]
