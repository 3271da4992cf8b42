"""What a study's study.yaml and manifest alone tell: quick to read, and without Arrow, which takes long to import."""

from pathlib import Path
from typing import Any

from distnlc.spec import SpecError, read_yaml
from distnlc.store.address import place_of
from distnlc.store.manifest import Manifest, StoreError, parse_manifest
from distnlc.store.place import MANIFEST, Place

STUDY = "study.yaml"


def read_spec_fields(folder: str | Path) -> dict[str, Any]:
    """The plain data of the study's study.yaml. Raises StoreError."""
    return spec_fields(place_of(folder))


def spec_fields(place: Place) -> dict[str, Any]:
    try:
        return read_yaml(place.read(STUDY).decode(), where=place.where(STUDY))
    except (OSError, UnicodeDecodeError) as error:
        raise StoreError(f"{place}: not a study folder, its {STUDY} cannot be read: {error}") from None
    except SpecError as error:
        raise StoreError(str(error)) from None


def read_statuses(folder: str | Path) -> dict[str, str]:
    """Unit id -> status of every committed unit, from the manifest alone. Raises StoreError."""
    return read_manifest(place_of(folder)).statuses()


def read_columns(folder: str | Path) -> dict[str, dict[str, str]]:
    """Table -> column -> type of every table of the study, from the manifest alone. Raises StoreError."""
    return read_manifest(place_of(folder)).tables


def read_manifest(place: Place) -> Manifest:
    """Raises StoreError."""
    try:
        return parse_manifest(place.read_manifest(), place.where(MANIFEST))
    except OSError as error:
        where = place.where(MANIFEST)
        raise StoreError(f"{where}: cannot read the study's manifest: {error.strerror or error}") from None
