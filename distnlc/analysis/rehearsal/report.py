"""What a study says when it ends: a few sentences from its records, by the kind of study.

Used by the command line. Only the kinds in REPORTED have a report; the others say here all that they have to say.
"""

from collections.abc import Callable
from pathlib import Path

from distnlc import store
from distnlc.analysis.nlc.answers import sentences, summary
from distnlc.records import FAILED

REPORTED = ("nlc",)


def closing(folder: str | Path) -> list[str]:
    """The sentences, one a line. Raises store.StoreError."""
    return KINDS[str(store.read_spec_fields(folder)["kind"])](folder)


def _nlc(folder: str | Path) -> list[str]:
    found = summary(folder)
    said = [f"{found.architectures} architectures ({found.failed} failed), {found.runs:,} training runs"]
    for part in found.parts:
        said += [f"{part.title}:", *sentences(part)] if len(found.parts) > 1 else sentences(part)
    return said


def _rehearsal(folder: str | Path) -> list[str]:
    """How many units, and which machine did how many of them with how many worker processes."""
    rows = store.read_table(folder, "units").to_pandas()
    done = rows[rows["status"] != FAILED]
    said = [f"{len(rows)} units ({len(rows) - len(done)} failed)"]
    for host, of_host in done.groupby("host"):
        seconds = of_host["seconds"].median()
        said.append(f"{host}: {len(of_host)} units by {of_host['process'].nunique()} processes, {seconds:.2g} s each")
    return said


KINDS: dict[str, Callable[[str | Path], list[str]]] = {"nlc": _nlc, "rehearsal": _rehearsal}
