"""The MLflow mirror: a view of the study while it runs and after; the store is the truth.

    address.py    which addresses there are, what to type to see them, passwords kept out of sight
    mirror.py     the one writer: a background thread that makes one MLflow run per unit and a summary run

Nothing here can slow, stop or change the study. Importing it does not import MLflow.
"""

from distnlc.tracking.address import TrackingError, check_uri, default_uri, masked, ui_command
from distnlc.tracking.mirror import Tracker

__all__ = ["Tracker", "TrackingError", "check_uri", "default_uri", "masked", "ui_command"]
