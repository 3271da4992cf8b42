"""Plug-ins for tests: modules written into a folder, packages as pip leaves them, and how both are forgotten."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from distnlc import plugins


@contextmanager
def modules_in(folder: Path, modules: Mapping[str, str]) -> Iterator[None]:
    """Stands in a folder with these modules, name -> text; at the end all plug-ins are forgotten."""
    for name, text in modules.items():
        (folder / f"{name}.py").write_text(text)
    before = list(sys.path)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("DISTNLC_PLUGINS", raising=False)
        try:
            yield
        finally:
            forget(*modules)
            sys.path[:] = before


def forget(*modules: str) -> None:
    """As in a new process."""
    plugins._named.clear()
    plugins._modules.clear()
    plugins._entries.clear()
    plugins._folders.clear()
    for name in modules:
        sys.modules.pop(name, None)


def installed(folder: Path, package: str = "mine", **entry_points: str) -> None:
    """What pip leaves of a package with entry points, in a folder that is on the path."""
    leaves = folder / f"{package}-1.0.dist-info"
    leaves.mkdir()
    (leaves / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name.replace('_', '-')} = {where}" for name, where in entry_points.items()]
    (leaves / "entry_points.txt").write_text("\n".join(["[distnlc]", *lines, ""]))
