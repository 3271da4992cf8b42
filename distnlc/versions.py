"""What computes and keeps the results: versions and processor, for the mirror, the rows and the list of sessions."""

import platform
from contextlib import suppress
from importlib import metadata
from pathlib import Path

PACKAGES = ("distnlc", "torch", "numpy", "optuna", "mlflow", "ray", "pyarrow")


def versions() -> dict[str, str]:
    """Name -> version, Python's own included; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def cpuinfo(*fields: str) -> str:
    """The entry of /proc/cpuinfo under one of these names, of the first processor; '' where there is no Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(fields)), "")


def cpu_name() -> str:
    """The system's name of its processor, such as `AMD EPYC 9B45`."""
    return cpuinfo("model name") or platform.processor() or platform.machine()
