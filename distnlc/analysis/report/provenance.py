"""How a study was run, ready to show: sentences, and tables of its parts, sessions, hardware and odd units.

In: the tables of a study and its sessions (store.read_sessions). Out: text and pandas frames of strings.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from distnlc.analysis.drawing import format as text
from distnlc.analysis.load import Tables
from distnlc.analysis.nlc.answers import Summary
from distnlc.records import FAILED, SKIPPED

MOST_ROWS = 100
"""of one table; the rest is counted"""

Session = Mapping[str, Any]


def sentences(whole: Summary, tables: Tables, sessions: Sequence[Session]) -> list[str]:
    """What ran and how long it took."""
    architectures = tables.architectures
    failed = architectures["status"] == FAILED
    counted = {
        "failed": int(failed.sum()),
        "skipped": int((architectures["status"] == SKIPPED).sum()),
        "done after more than one attempt": int(((architectures["attempts"] > 1) & ~failed).sum()),
    }
    units = ", ".join(f"{count:,} {what}" for what, count in counted.items() if count or what == "failed")
    runs = f"{len(tables.runs):,} training runs, {whole.diverged_runs:,} of them diverged"
    pruned = f", {whole.pruned_runs:,} pruned before their end" if whole.pruned_runs else ""
    said = [
        f"{len(architectures):,} units of work, each an architecture with its initial weights: {units}.",
        f"{runs}{pruned}; {len(tables.epochs):,} epochs.",
        f"All units one after the other take {text.duration(float(architectures['seconds'].sum()))}.",
    ]
    if sessions:
        wall_s, done = (sum(_number(session, name) or 0.0 for session in sessions) for name in ("seconds", "units"))
        many = f"{len(sessions)} recorded session{'s' * (len(sessions) > 1)}"
        said.append(f"{done:,.0f} of them were done in {many} of {text.duration(wall_s)} together.")
    return [*said, "The rows that each figure leaves out stand in the table under it, with the reasons."]


def frames(whole: Summary, tables: Tables, sessions: Sequence[Session]) -> list[tuple[str, pd.DataFrame]]:
    """(heading, table), without those that have no rows."""
    rows = tables.architectures
    again = rows[(rows["attempts"] > 1) & (rows["status"] != FAILED)]
    found = [
        ("Parts", _parts(whole)),
        ("Sessions", _cut([_session(session) for session in sessions])),
        ("Hardware that did the units", _hardware(rows)),
        ("Failed units", _units(rows[rows["status"] == FAILED], {"reason": str})),
        ("Architectures that were measured but not trained", _units(rows[rows["status"] == SKIPPED], {"reason": str})),
        ("Units done after more than one attempt", _units(again, {"seconds": text.duration})),
    ]
    return [(heading, frame) for heading, frame in found if len(frame)]


def _parts(whole: Summary) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "part": part.title,
            "architectures": f"{part.architectures:,}",
            "failed": f"{part.failed:,}",
            "runs": f"{part.runs:,}",
            "diverged": f"{part.diverged_runs:,}",
            "pruned": f"{part.pruned_runs:,}",
            "parameters (median)": f"{part.parameters:,.0f}",
            "time of the units": text.duration(part.seconds),
        }
        for part in whole.parts
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
