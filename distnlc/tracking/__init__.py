"""The MLflow mirror: a view of the study while it runs and after; the store is the truth.

    address.py    the addresses there are, what to type to see them, passwords kept out of sight
    artifacts.py  the files that belong to it, in the study's folder
    view.py       what the mirror shows of one unit
    experiment.py the study's experiment: one MLflow run per unit, one summary run
    tracker.py    the one writer: a background thread

Nothing here can slow, stop or change the study. Importing it does not import MLflow.
"""

from distnlc.tracking.address import TrackingError, checked_uri, default_uri, masked, ui_command, usable_uri
from distnlc.tracking.tracker import Tracker
from distnlc.tracking.view import View, view_of

__all__ = [
    "Tracker",
    "TrackingError",
    "View",
    "checked_uri",
    "default_uri",
    "masked",
    "ui_command",
    "usable_uri",
    "view_of",
]
