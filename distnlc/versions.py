"""What computes and keeps the results: versions, code, processor and cores, for mirror, rows, sessions and workers.

Code is identified by a digest of its source files, not by its place: machines of a cluster may have it in different
folders. Two editable checkouts of one version differ in the digest.
"""

import hashlib
import importlib
import platform
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

PACKAGES = ("distnlc", "torch", "numpy", "optuna", "mlflow", "ray", "pyarrow")
SOURCES = {".py", ".c", ".h", ".so"}
"""suffixes of the files that fix what a package does"""


def versions() -> dict[str, str]:
    """Name -> version, Python's own included; what is not installed is left out."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


@dataclass(frozen=True)
class Code:
    """A top-level module or package as this process imports it; two that do the same are equal, wherever they lie."""

    name: str
    digest: str
    """of its source files, their paths in it included"""
    version: str = field(compare=False)
    """of the installed package, '' if there is none"""
    place: str = field(compare=False)

    def __str__(self) -> str:
        return f"{' '.join(filter(None, [self.name, self.version]))} ({self.digest[:12]}) in {self.place}"


def code_of(name: str) -> Code:
    """The code of a top-level module or package, which is imported if it was not. Raises ImportError and OSError."""
    module = importlib.import_module(name)
    file = getattr(module, "__file__", None)
    roots = [Path(each) for each in getattr(module, "__path__", [file] if file else [])]
    digest = hashlib.sha256()
    for root in roots:
        files = [path for path in root.rglob("*") if path.suffix in SOURCES] if root.is_dir() else [root]
        for inside, path in sorted((path.relative_to(root.parent).as_posix(), path) for path in files):
            digest.update(f"{inside} {path.stat().st_size}\n".encode() + path.read_bytes())
    version = ""
    with suppress(metadata.PackageNotFoundError):
        version = metadata.version(name)
    return Code(name, digest.hexdigest(), version, ", ".join(map(str, roots)))


def cores() -> int:
    """The cores that this process may use: the machine's, its affinity's (taskset, SLURM) or its cgroup's share.

    The share of a container is rounded up to whole cores.
    """
    from joblib import cpu_count

    count: int = cpu_count()
    return count


def cpuinfo(*fields: str) -> str:
    """The entry of /proc/cpuinfo under one of these names, of the first processor; '' where there is no Linux."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(fields)), "")


def cpu_name() -> str:
    """The system's name of its processor, such as `AMD EPYC 9B45`."""
    return cpuinfo("model name") or platform.processor() or platform.machine()
