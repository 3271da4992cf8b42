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


def cpu_name() -> str:
    """What the system calls its processor, such as `AMD EPYC 9B45`."""
    with suppress(OSError):  # there is no Linux to tell
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
