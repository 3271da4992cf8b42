"""The closing words of a rehearsal: how many units there were, and which machine did how many of them."""

from distnlc.analysis.report import Answers, Report
from distnlc.analysis.tables import Tables
from distnlc.records import FAILED


def answers(tables: Tables) -> Answers:
    """The units, and how many of them each machine did with how many worker processes."""
    rows = tables.units
    done = rows[rows["status"] != FAILED]
    said = [f"{len(rows)} units ({len(rows) - len(done)} failed)"]
    for host, of_host in done.groupby("host"):
        seconds = of_host["seconds"].median()
        said.append(f"{host}: {len(of_host)} units by {of_host['process'].nunique()} processes, {seconds:.2g} s each")
    return Answers(work=said)


REPORT = Report(answers)
