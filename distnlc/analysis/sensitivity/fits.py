"""Which networks were fitted, part by part and activation function by activation function."""

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.sensitivity.axes import ACTIVATIONS
from distnlc.analysis.sensitivity.cells import data_name, is_fitted
from distnlc.analysis.tables import Tables
from distnlc.records import DIVERGED, FAILED, OK

TITLE = "Which networks were fitted"
SETTINGS = ("labels", "augmentation", "optimizer", "loss")
"""further columns by which a part's networks are told apart, where it has several values"""


def tabulate(tables: Tables) -> Table:
    """A row for each part, setting and activation function. Raises MissingRecordsError if no unit is finished."""
    networks = tables.networks
    if networks.empty:
        raise MissingRecordsError("no network is finished")
    sections = [(str(part), _frame(rows)) for part, rows in networks.groupby("part", sort=False)]
    caption = (
        "Networks that are not fitted are results too; figures leave them out, but for those with augmentation. "
        "Accuracies are means over the networks that were measured, epochs and losses medians."
    )
    return Table(caption, [(f"{name}: {_data(networks[networks['part'] == name])}", one) for name, one in sections])


def _data(rows: pd.DataFrame) -> str:
    known = rows[rows["dataset"].notna()]
    return data_name(*known.iloc[0][["dataset", "crop", "train_points"]]) if len(known) else "no data"


def _frame(rows: pd.DataFrame) -> pd.DataFrame:
    varied = [name for name in SETTINGS if rows[name].nunique() > 1]
    found = {", ".join(map(str, key)): _counts(own) for key, own in rows.groupby([*varied, "activation"], dropna=False)}
    order = [name for activation in [*ACTIVATIONS, ""] for name in found if name.split(", ")[-1] == activation]
    return pd.DataFrame.from_dict({name: found[name] for name in [*order, *found]}, orient="index")


def _counts(rows: pd.DataFrame) -> dict[str, str]:
    done = rows[rows["status"] == OK]
    return {
        "networks": str(len(rows)),
        "fitted": str(int(is_fitted(rows).sum())),
        "diverged": str(int((done["stop"] == DIVERGED).sum())),
        "failed": str(int((rows["status"] == FAILED).sum())),
        "train accuracy": text.number(float(done["train_accuracy"].mean())),
        "test accuracy": text.number(float(done["test_accuracy"].mean())),
        "training loss": text.number(float(done["train_loss"].median()), 2),
        "epochs": text.number(float(done["epochs"].median())),
    }
