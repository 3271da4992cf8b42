"""All claims about the figures in one table, with their verdicts from the records."""

from distnlc.analysis.drawing.missing import MissingRecordsError
from distnlc.analysis.drawing.table import Table
from distnlc.analysis.gradients import noise_claims, training_claims
from distnlc.analysis.gradients.claims import Judged, frame, judged, tally
from distnlc.analysis.gradients.runs import Runs, runs_of
from distnlc.analysis.tables import Tables

TITLE = "Claims about the figures"


def of_noise(tables: Tables) -> list[Judged]:
    """Those about networks on noise; none if there are no such networks."""
    found = noise_claims.groups(tables)
    return judged(noise_claims.CLAIMS, found) if found else []


def of_trainings(tables: Tables) -> list[Judged]:
    """Those about trainings; none if there are no trainings."""
    found = runs_of(tables)
    return judged(training_claims.CLAIMS, Runs(found)) if found else []


def tabulate(tables: Tables) -> Table:
    """A row for each claim. Raises MissingRecordsError."""
    noise, trained = of_noise(tables), of_trainings(tables)
    if not noise and not trained:
        raise MissingRecordsError("no finished network on noise and no finished training")
    sections = [(name, frame(found)) for name, found in (("Networks on noise", noise), ("Trainings", trained)) if found]
    caption = (
        "A claim about several networks, or pairs of networks, is judged for each. Undecided: they differ by less than "
        "two standard errors. Open: the records are missing."
    )
    return Table(caption, sections, [tally([*noise, *trained])])
