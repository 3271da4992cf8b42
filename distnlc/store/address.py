"""The place that an address names."""

import os
import re
from pathlib import Path

from distnlc.store.folder import LocalFolder
from distnlc.store.manifest import StoreError
from distnlc.store.place import Place


def place_of(address: str | Path) -> Place:
    """The place of an address: a folder's path, or `s3://bucket/prefix`. Raises StoreError."""
    if re.match("s3:/", str(address)):  # a Path has lost the second slash
        from distnlc.store.bucket_writer import ObjectStore

        return ObjectStore(str(address))
    try:
        os.fsencode(address)
    except UnicodeEncodeError as error:
        raise StoreError(f"{address}: this locale ({error.encoding}) has no such name; set PYTHONUTF8=1") from None
    return LocalFolder(Path(address))
