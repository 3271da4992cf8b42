"""Opening a study to write: checks that it is a study, the same one, in the same format, before anything is changed.

In: a place, the spec, the row types. Out: the manifest; a study is begun if there is none. Every refusal is a
StoreError that says what was found and what to do.
"""

import logging
from collections.abc import Mapping

from distnlc.records import columns_of
from distnlc.spec import SpecError, StudySpec, differences, spec_id, to_yaml
from distnlc.store.headers import STUDY, spec_fields
from distnlc.store.manifest import FORMAT_VERSION, Manifest, StoreError, parse_manifest
from distnlc.store.place import BAD, MANIFEST, Place

log = logging.getLogger(__name__)


def check_empty(place: Place) -> None:
    """Raises StoreError if the place holds something other than a study."""
    others = place.names().keys() - place.scaffold
    if others and STUDY not in others:
        raise StoreError(f"{place}: not empty and not a study folder (it holds {min(others)!r}); choose another --out")


def open_manifest(place: Place, spec: StudySpec, tables: Mapping[str, type]) -> Manifest:
    """The manifest: begins the study if there is none, cuts off what was never committed. Only with the lock."""
    columns = {table: columns_of(row_type) for table, row_type in tables.items()}
    if STUDY not in place.names():
        place.write(STUDY, to_yaml(spec).encode())
    _check_same_study(place, spec)
    try:
        text = place.read_manifest()
    except FileNotFoundError:
        if any(name.endswith(".parquet") for table in tables for name in place.names(table)):
            raise StoreError(f"{place}: rows but no manifest. Nothing was changed. Restore it from a copy") from None
        text = Manifest(FORMAT_VERSION, spec_id(spec), columns, []).text()
        place.write_manifest(text)
    manifest = parse_manifest(text, place.where(MANIFEST))
    _check_same_format(place, manifest, spec, columns)
    if tail := text[manifest.length :]:
        if b"\n" in tail:  # not torn by a crash: it was once a whole line
            place.write(MANIFEST + BAD, tail)
            log.warning(
                "%s: damaged at its end, which is set aside as %s; the units that stood there will run again",
                place.where(MANIFEST),
                MANIFEST + BAD,
            )
        place.write_manifest(text[: manifest.length])
    return manifest


def _check_same_study(place: Place, spec: StudySpec) -> None:
    fields = spec_fields(place)
    if fields.get("kind") != spec.kind:
        lines = [f"kind: {fields.get('kind')!r} -> {spec.kind!r}"]
    else:
        try:
            lines = differences(type(spec).parse(fields, where=place.where(STUDY)), spec)
        except SpecError as error:
            raise StoreError(f"{error}\nso {place} cannot be continued; choose another --out") from None
    if lines:
        raise StoreError(
            f"{place} holds another study (there -> asked for):\n  "
            + "\n  ".join(lines)
            + f"\nChoose another --out, or continue that study with {place.where(STUDY)}"
        )


def _check_same_format(place: Place, manifest: Manifest, spec: StudySpec, columns: dict[str, dict[str, str]]) -> None:
    """Refuses another file format, and columns that this distnlc lacks; younger columns stay missing in the study."""
    if manifest.format_version != FORMAT_VERSION:
        raise StoreError(
            f"{place}: written in file format {manifest.format_version}, this distnlc writes format "
            f"{FORMAT_VERSION}: it can be read and reported, but not continued; choose another --out"
        )
    if manifest.study_id != spec_id(spec):
        raise StoreError(f"{place}: {STUDY} was changed after the study began; restore it or choose another --out")
    changed = [table for table, held in manifest.tables.items() if not held.items() <= columns.get(table, {}).items()]
    if next(iter(manifest.tables)) != next(iter(columns)):
        changed.append(next(iter(manifest.tables)))
    if changed:
        raise StoreError(
            f"{place}: the columns of {', '.join(dict.fromkeys(changed))} are not among this distnlc's: continue it "
            "with the version that began it, or choose another --out"
        )
