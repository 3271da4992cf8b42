"""The sessions of a study, when it was worked on and with what: the file `sessions`, a line of JSON per `distnlc run`.

It tells people about the work and takes no part in the result. A session without `seconds` was killed.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from distnlc.store.address import place_of
from distnlc.store.place import Place

SESSIONS = "sessions"


def read_sessions(folder: str | Path) -> list[dict[str, Any]]:
    """The sessions from first to last, as `add_session` got them; [] for a study without such a list.

    Lines that are not a session (torn, or somebody else's) are left out. Raises StoreError for a malformed address.
    """
    return _sessions(place_of(folder))


def add_session(place: Place, session: Mapping[str, Any]) -> None:
    """Adds a session, or replaces the last one if it `started` at the same time. Only with the store's lock.

    Raises OSError or StoreError.
    """
    kept = [old for old in _sessions(place) if old["started"] != session["started"]]
    place.write(SESSIONS, "".join(json.dumps(each) + "\n" for each in [*kept, session]).encode())


def _sessions(place: Place) -> list[dict[str, Any]]:
    try:
        lines = place.read(SESSIONS).decode(errors="replace").splitlines()
    except OSError:
        return []
    parsed = [_parse(line) for line in lines]
    return [session for session in parsed if isinstance(session, dict) and isinstance(session.get("started"), str)]


def _parse(line: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None
