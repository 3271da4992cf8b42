"""The parts of a study of networks at initialization, and how a caption says what they were measured on."""

import pandas as pd

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.tables import Tables
from distnlc.records import OK

PRESETS = ("nlc-initial", "nlc-initial-quick")
"""the studies that have all parts"""
PAPER_FEATURES = {"cifar10": 810}
"""inputs -> features that the paper states"""
KEPT = 0.99
"""share of the inputs' variance that the features hold which the preparation of images keeps"""


def part(tables: Tables, name: str) -> pd.DataFrame:
    """The networks of one part that were measured; no row if the study does not have the part."""
    networks = tables.networks
    return networks[(networks["part"] == name) & (networks["status"] == OK)]


def needed(tables: Tables, *names: str) -> list[pd.DataFrame]:
    """The networks of several parts. Raises MissingRecordsError unless each has some."""
    found = [part(tables, name) for name in names]
    if missing := [name for name, rows in zip(names, found, strict=True) if rows.empty]:
        raise MissingRecordsError(f"no networks of the part{'s' if len(missing) > 1 else ''} {', '.join(missing)}")
    return found


def by_data(rows: pd.DataFrame) -> bool:
    """Whether the networks were measured on a dataset, and not on isotropic inputs."""
    return rows["inputs"].iloc[0] not in {"gaussian", "isotropic"}


def measured_on(rows: pd.DataFrame) -> str:
    """How a part's networks were measured, for a caption."""
    first = rows.iloc[0]
    features = f"{first.d_in:.0f} features"
    if first.d_in != (stated := PAPER_FEATURES.get(first.inputs, first.d_in)):
        features += f" (the paper has {stated})"
    source = f"training inputs of {first.inputs}, prepared as in the NLC study," if by_data(rows) else "Gaussian inputs"
    return (
        f"Measured on {first.points:,.0f} {source} of {features}, {first.d_out:.0f} outputs, in batches of 250, "
        f"{first.batches:.0f} batches per Jacobian norm; medians over initializations "
        f"({rows['initialization'].nunique()})."
    )


def about_parameters(rows: pd.DataFrame) -> str:
    """`about 20,000 parameters`: the median of a part's networks, to two digits."""
    two_digits = float(f"{rows['parameters'].median():.2g}")
    return f"about {two_digits:,.0f} parameters"
