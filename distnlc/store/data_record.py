"""The record of a study's data: the file `data.json` beside study.yaml, part by part.

It holds names, digests of the source files, counts, dimensions and classes, as the kind's `prepare` found them. A study
goes on with the same data or not at all; parts that are done later add theirs.
"""

import json
from collections.abc import Mapping
from typing import Any

from distnlc.plugins import data_differences
from distnlc.store.manifest import StoreError
from distnlc.store.place import Place

DATA = "data.json"


def keep_data_record(place: Place, found: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Adds new findings to the record and returns the whole. Only with the store's lock.

    Raises StoreError if the study was begun with other data, and OSError.
    """
    kept = read_data_record(place)
    for part, data in found.items():
        if part in kept and (lines := data_differences(kept[part], data)):
            raise StoreError(
                f"{place}: part {part} was begun with other data (there -> found now):\n  "
                + "\n  ".join(lines)
                + "\nGive it the data that it was begun with, or choose another --out"
            )
    record = kept | {part: dict(data) for part, data in found.items()}
    if record != kept:
        place.write(DATA, (json.dumps(record, indent=1) + "\n").encode())
    return record


def read_data_record(place: Place) -> dict[str, Any]:
    """Part -> facts about its data; {} for a study without such a record. Raises StoreError for an unreadable one."""
    try:
        record = json.loads(place.read(DATA))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise StoreError(f"{place.where(DATA)}: cannot be read: {error}") from None
    if not (isinstance(record, dict) and all(isinstance(data, dict) for data in record.values())):
        raise StoreError(f"{place.where(DATA)}: expected part -> facts about its data, in JSON")
    return record
