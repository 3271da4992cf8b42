"""How a study of any kind was run, ready to show: sentences, and tables of its parts, sessions, hardware, odd units.

In: the tables of a study, the answers of its kind and its sessions (store.read_sessions). Out: text and pandas frames
of strings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.report.model import Answers
from distnlc.analysis.tables import Tables, row_types_of
from distnlc.records import (
    FAILED,
    MEASUREMENTS,
    SKIPPED,
    MeasurementRow,
    columns_of,
    missing_values,
    quantities,
)

MOST_ROWS = 100
"""of one table; the rest is counted"""

Session = Mapping[str, Any]


def sentences(tables: Tables, answers: Answers, sessions: Sequence[Session]) -> list[str]:
    """How many units ran, with what result, and how long they took."""
    units = tables.first
    counted = {
        "failed": int((units["status"] == FAILED).sum()),
        "skipped": int((units["status"] == SKIPPED).sum()),
        "done after more than one attempt": len(_again(units)),
    }
    counts = ", ".join(f"{count:,} {what}" for what, count in counted.items() if count or what == "failed")
    said = [
        f"{len(units):,} units of work: {counts}.",
        *(sentence if sentence.endswith(".") else f"{sentence}." for sentence in [*answers.work, *_missing(tables)]),
        f"All units one after the other take {text.duration(float(units['seconds'].sum()))}.",
    ]
    if sessions:
        wall_s, done = (sum(_number(session, name) or 0.0 for session in sessions) for name in ("seconds", "units"))
        many = f"{len(sessions)} recorded session{'s' * (len(sessions) > 1)}"
        said.append(f"{done:,.0f} of them were done in {many} of {text.duration(wall_s)} together.")
    return said


def frames(tables: Tables, answers: Answers, sessions: Sequence[Session]) -> list[tuple[str, pd.DataFrame]]:
    """(heading, table), without those that have no rows."""
    units = tables.first
    found = [
        ("Parts", _parts(units) if answers.counts is None else answers.counts),
        ("Sessions", _cut([_session(session) for session in sessions])),
        ("Hardware that did the units", _hardware(units)),
        ("Failed units", _units(units[units["status"] == FAILED], {"reason": str})),
        ("Skipped units", _units(units[units["status"] == SKIPPED], {"reason": str})),
        ("Units done after more than one attempt", _units(_again(units), {"seconds": text.duration})),
    ]
    return [(heading, frame) for heading, frame in found if len(frame)]


def columns(tables: Tables) -> list[tuple[str, pd.DataFrame]]:
    """(table, its columns with unit and meaning); of a kind that is not installed, the names alone."""
    row_types = row_types_of(tables.kind)
    found = []
    for name, frame in tables.frames.items():
        known = quantities(row_types[name]) if name in row_types else {}
        rows = [
            {"column": column, "unit": known[column].unit, "meaning": known[column].about or known[column].label}
            if column in known
            else {"column": column, "unit": "–", "meaning": "–"}
            for column in frame
        ]
        found.append((f"{name}: {len(frame):,} rows", pd.DataFrame(rows)))
    return found


def _missing(tables: Tables) -> list[str]:
    """Sentences on what metrics of the groups and the user's own could not measure."""
    rows = tables.frames.get(MEASUREMENTS)
    return [] if rows is None or set(rows) != set(columns_of(MeasurementRow)) else missing_values(rows.itertuples())


def _again(units: pd.DataFrame) -> pd.DataFrame:
    return units[(units["attempts"] > 1) & (units["status"] != FAILED)]


def _parts(units: pd.DataFrame) -> pd.DataFrame:
    """Units by part and status."""
    return pd.DataFrame(
        {"part": str(part), "units": f"{len(rows):,}"}
        | {str(status): f"{(rows['status'] == status).sum():,}" for status in sorted(units["status"].unique())}
        | {"time of the units": text.duration(float(rows["seconds"].sum()))}
        for part, rows in units.groupby("part", sort=False)
    )


def _session(session: Session) -> dict[str, str]:
    """One row; a session that was killed or still runs has no `seconds`, and the file may come from anybody."""
    versions = session.get("versions")
    named = versions.items() if isinstance(versions, Mapping) else ()
    seconds, units = _number(session, "seconds"), _number(session, "units")
    names = ("started", "cores", "cpu", "platform", "executor")
    say = {name: str(session.get(name, "–")) for name in names}
    return {
        "started (UTC)": say["started"][:16].replace("T", " "),
        "wall time": "no end recorded" if seconds is None else text.duration(seconds),
        "units": "–" if units is None else f"{units:,.0f}",
        "machine": f"{say['cores']} cores, {say['cpu']}, {say['platform']}",
        "executor": say["executor"],
        "versions": ", ".join(f"{package} {version}" for package, version in named) or "–",
    }


def _number(session: Session, name: str) -> float | None:
    value = session.get(name)
    return float(value) if isinstance(value, int | float) else None


def _hardware(rows: pd.DataFrame) -> pd.DataFrame:
    grouped = rows.groupby("device")["seconds"].agg(["size", "sum"]).sort_values("size", ascending=False)
    return pd.DataFrame(
        {"hardware": str(device), "units": f"{row['size']:,.0f}", "time of the units": text.duration(row["sum"])}
        for device, row in grouped.iterrows()
    )


def _units(rows: pd.DataFrame, more: Mapping[str, Callable[[Any], str]]) -> pd.DataFrame:
    """One row per unit, with some columns more and how they are written."""
    return _cut(
        [
            {name: str(row[name]) for name in ("unit_id", "part", "index", "attempts")}
            | {name: written(row[name]) for name, written in more.items()}
            for row in rows.sort_values(["part", "index"]).to_dict("records")
        ]
    )


def _cut(rows: Sequence[Mapping[str, str]]) -> pd.DataFrame:
    """At most MOST_ROWS rows, and one that counts the others."""
    frame = pd.DataFrame(rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        frame.loc[MOST_ROWS] = [f"and {len(rows) - MOST_ROWS:,} more", *[""] * (frame.shape[1] - 1)]
    return frame
