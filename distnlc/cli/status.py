"""`distnlc status`: how far a study is, from any shell, also while it runs; it needs no torch."""

from collections import Counter
from functools import partial
from typing import Any

from distnlc.cli.words import (
    FolderArgument,
    PluginOption,
    continuing_command,
    rows_of,
    say_failures,
    say_missing,
    units_of,
)
from distnlc.plugins import kind_named, kinds, use_plugins
from distnlc.progress import Tally
from distnlc.records import FAILED, SKIPPED
from distnlc.sinks.console import NO_WORKER, at_work_on, named_numbers, pace, running, say
from distnlc.spec import SpecError, spec_id
from distnlc.store import place_of, read_spec_fields, read_statuses
from distnlc.studies import from_fields


def status(folder: FolderArgument, plugin: PluginOption = None) -> None:
    """Done, running, failed, rate, time left and best so far; from any shell, also while the study runs."""
    use_plugins(plugin or ())
    place, fields = place_of(folder), read_spec_fields(folder)
    at_work = at_work_on(place)
    report = at_work and at_work.progress
    kind = kind_named(str(fields.get("kind")))
    if kind is None:
        _say_counts(folder, fields)
        say(
            f"its kind {str(fields.get('kind'))!r} is not installed here (there are: {', '.join(kinds())}); --plugin "
            "names the module that has it. Rows can be exported without"
        )
        return
    try:
        study = from_fields(fields, where=place.where("study.yaml"))
    except SpecError as error:  # such as a dataset whose plug-in is not here
        _say_counts(folder, fields)
        say(f"more cannot be told here: {error}")
        return
    units = units_of(kind, study)
    failed = list[Any]()

    def rows() -> Any:
        for row in rows_of(kind, folder):
            if row.status == FAILED:
                failed.append(row)
            yield row

    tally = Tally(kind, len(units), rows())
    now = f"{running(report)}, " if report and report.workers else ""
    skipped = tally.statuses[SKIPPED]
    untrained = f"{skipped:,} of them skipped, " if skipped else ""
    counts = f"{tally.settled - len(failed):,} of {len(units):,} units done, {untrained}{now}{len(failed):,} failed"
    say(f"{study.name} ({spec_id(study)}): {counts}")
    for number in named_numbers(tally.headline.numbers()):
        say(number)
    say_missing(folder)
    say_failures(failed, units, partial(continuing_command, folder))
    if at_work:
        pace_now = "it begins, or concludes"
        if report:
            pace_now = pace(report.units_per_hour, report.seconds_left) if report.workers else NO_WORKER
        say(f"at work: {at_work.who}; {pace_now}")
    elif tally.settled < len(units):
        say(f"not at work; go on: {continuing_command(folder)}")
    else:
        page = "report/index.html"
        say(f"finished; {place.where(page)}" if page in place.names("report") else "finished")


def _say_counts(folder: str, fields: dict[str, Any]) -> None:
    """What the manifest alone tells, of a study whose spec cannot be read here."""
    counts = Counter(read_statuses(folder).values())
    listed = ", ".join(f"{count:,} {status}" for status, count in sorted(counts.items())) or "none yet"
    say(f"{fields.get('name', 'study')}: units {listed}")
