"""Which versions of what computes and keeps the results: for the mirror and for the study's list of sessions."""

import platform
from contextlib import suppress
from importlib import metadata

PACKAGES = ("distnlc", "torch", "numpy", "optuna", "mlflow", "ray", "pyarrow")


def versions() -> dict[str, str]:
    """Name -> version, Python's own included; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
