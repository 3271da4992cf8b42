"""Compaction: all chunks written anew, in the order of the study instead of that of the commits.

In: a manifest. Out: the chunks of the next manifest, sorted by `part`, `index` (where the first table has them) and
unit id, COMPACTED_UNITS units each. Their files are written beside the old ones; the new manifest decides which count.
Rows are sorted in passes over all chunks, none larger than memory allows.
"""

from collections.abc import Iterator, Sequence

from distnlc.store.arrow import in_order, to_parquet
from distnlc.store.manifest import UNIT, Chunk, Manifest, Owned, StoreError, stored_file
from distnlc.store.place import Place
from distnlc.store.reading import read_rows

COMPACTED_UNITS = 256
"""units per chunk: few files, each of which needs little memory"""
PASS_BYTES = 100e6
"""approximate size of the rows that one pass sorts; meanwhile they are in memory some three times"""
FILES_AT_ONCE = 64
"""number of files written together"""
TEXT_BYTES, NUMBER_BYTES = 24, 9
"""approximate size of a value in memory"""


def compacted(place: Place, manifest: Manifest, numbers: Iterator[int]) -> list[Chunk]:
    """The new chunks, whose files it writes; chunks that are already as wanted are kept. Raises StoreError, OSError."""
    owned = manifest.owned()
    statuses = {unit: status for _, units in owned for unit, status in units.items()}
    order = _order(place, manifest, owned)
    if len(order) != len(statuses) or set(order) != statuses.keys():
        raise StoreError(f"{place}: its rows are not of the units that the manifest tells of. Nothing was changed")
    kept = {tuple(chunk.units): chunk for chunk, units in owned if len(units) == len(chunk.units)}
    chunks, new = [], []
    for start in range(0, len(order), COMPACTED_UNITS):
        group = order[start : start + COMPACTED_UNITS]
        if (chunk := kept.get(tuple(group))) is None:
            chunk = Chunk(next(numbers), {}, {unit: statuses[unit] for unit in group})
            new.append(chunk)
        chunks.append(chunk)
    for some in _passes(manifest, owned, new):
        _write_pass(place, manifest, owned, some)
    return chunks


def memory_bytes(manifest: Manifest, chunk: Chunk) -> int:
    """Approximate size of the chunk's rows in memory."""
    kinds = {table: columns.values() for table, columns in manifest.tables.items()}
    return sum(
        stored.rows * sum(TEXT_BYTES if kind.startswith("str") else NUMBER_BYTES for kind in kinds[table])
        for table, stored in chunk.files.items()
    )


def _order(place: Place, manifest: Manifest, owned: Owned) -> list[str]:
    first, *_ = manifest.tables
    keys = [key for key in ("part", "index", UNIT) if key in manifest.tables[first]]
    rows = read_rows(place, manifest, first, owned, keys)
    order: list[str] = rows.sort_by([(key, "ascending") for key in keys])[UNIT].to_pylist()
    return order


def _passes(manifest: Manifest, owned: Owned, chunks: Sequence[Chunk]) -> Iterator[list[Chunk]]:
    """The new chunks, in portions of about PASS_BYTES."""
    unit_bytes: dict[str, float] = {}
    for chunk, units in owned:
        unit_bytes |= dict.fromkeys(units, memory_bytes(manifest, chunk) / len(chunk.units))
    portion, size = [], 0.0
    for chunk in chunks:
        portion.append(chunk)
        size += sum(unit_bytes[unit] for unit in chunk.units)
        if size >= PASS_BYTES:
            yield portion
            portion, size = [], 0.0
    if portion:
        yield portion


def _write_pass(place: Place, manifest: Manifest, owned: Owned, chunks: Sequence[Chunk]) -> None:
    wanted = [unit for chunk in chunks for unit in chunk.units]
    is_wanted = set(wanted)
    parts = [(chunk, [unit for unit in units if unit in is_wanted]) for chunk, units in owned]
    for table in manifest.tables:
        rows, begins = in_order(read_rows(place, manifest, table, parts), wanted)
        files, end = {}, 0
        for chunk in chunks:
            start, end = end, end + len(chunk.units)
            part = rows.slice(begins[start], begins[end] - begins[start])
            if part.num_rows:
                data = to_parquet(part)
                chunk.files[table] = stored_file(part.num_rows, data)
                files[chunk.name(table)] = data
            if len(files) == FILES_AT_ONCE:
                place.write_all(files)
                files = {}
        place.write_all(files)
