"""The report of a study of any kind. What a kind's report is made of, all of it data, is in model.py."""

from distnlc.analysis.report.model import Answers, Details, Figure, PartAnswers, Points, PointsPart, Report, TableOf

__all__ = ["Answers", "Details", "Figure", "PartAnswers", "Points", "PointsPart", "Report", "TableOf"]
