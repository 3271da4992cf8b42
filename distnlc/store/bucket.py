"""The objects of a bucket by name: bytes in and out through pyarrow.fs, S3's errors as one clear message.

An object is written once, whole, under its final key; it is never renamed. The S3 library retries what fails for some
seconds; what fails for longer becomes a StoreError, after which the same command can be run again.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pyarrow as pa
import pyarrow.fs as pafs

from distnlc.store.manifest import StoreError
from distnlc.store.place import checked, each

PARALLEL = 16
"""requests at once, where there are many to make"""
ATTEMPTS = 7
"""the S3 library's tries of one request, with growing pauses: about half a minute"""
OPTIONS = {"endpoint_override", "scheme", "region"}
DENIED = {"ACCESS_DENIED", "INVALID_ACCESS_KEY_ID", "INVALID_CLIENT_TOKEN_ID", "SIGNATURE_DOES_NOT_MATCH",
          "MISSING_AUTHENTICATION_TOKEN", "UNRECOGNIZED_CLIENT"}  # fmt: skip


class Objects:
    """`s3://bucket/prefix`, with `?endpoint_override=host:port&scheme=http&region=...` behind it where needed."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(re.sub("^s3:/+", "s3://", address))
        options = dict(parse_qsl(parts.query))
        path = re.fullmatch(r"([^/@:]+)((?:/[^/]*)*)", parts.netloc + parts.path)
        if path is None or parts.fragment or options.keys() - OPTIONS:
            raise StoreError(
                f"{address.partition('?')[0].rpartition('@')[2]}: expected s3://bucket/prefix, with "
                f"{', '.join(sorted(OPTIONS))} behind a ? where needed; credentials go into AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY, or into the files of ~/.aws"
            )
        self.bucket = path[1]
        self.root = "/".join([self.bucket, *filter(None, path[2].split("/"))])
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
        if endpoint:
            options = {"endpoint_override": endpoint, **options}
        with self._clear_errors():
            self._fs = connection(self.bucket, **options)

    def __str__(self) -> str:
        return f"s3://{self.root}"

    def where(self, name: str) -> str:
        return f"{self}/{name}"

    def read(self, name: str) -> bytes:
        try:
            with self._clear_errors(), self._fs.open_input_file(self._key(name)) as file:
                data: bytes = file.readall()
                return data
        except (FileNotFoundError, StoreError):
            # The library makes two requests; if an object is deleted between them, the error can be of several types.
            with self._clear_errors():
                found = self._fs.get_file_info(self._key(name)).type
            if found != pafs.FileType.NotFound:
                raise
            self.check_bucket()
            raise FileNotFoundError(errno.ENOENT, "no such object", self.where(name)) from None

    def read_all(self, names: Iterable[str]) -> list[bytes]:
        return each(self.read, names, PARALLEL)

    def write(self, name: str, data: bytes) -> None:
        with self._clear_errors():
            stream = self._fs.open_output_stream(self._key(name), compression=None)
            stream.write(data)
            stream.close()  # only now the object exists

    def write_all(self, files: Mapping[str, bytes]) -> None:
        each(lambda file: self.write(*file), files.items(), PARALLEL)

    def names(self, folder: str = "") -> dict[str, int | None]:
        return {info.path.removeprefix(self.root + "/"): info.size for info in self.infos(folder)}

    def infos(self, folder: str) -> list[pafs.FileInfo]:
        """The entries directly in a folder, with sizes and times; none if there is no such folder."""
        key = self._key(folder) if folder else self.root
        with self._clear_errors():
            return list(self._fs.get_file_info(pafs.FileSelector(key, allow_not_found=True)))

    def delete(self, names: Iterable[str]) -> None:
        def delete(name: str) -> None:
            with suppress(FileNotFoundError), self._clear_errors():
                self._fs.delete_file(self._key(name))

        each(delete, names, PARALLEL)

    def check_bucket(self) -> None:
        """Raises StoreError if there is no such bucket, which listings and reads do not tell."""
        with self._clear_errors():
            found = self._fs.get_file_info(self.bucket).type
        if found == pafs.FileType.NotFound:
            raise StoreError(f"{self}: there is no bucket {self.bucket!r}. Make it, or correct the address")

    def _key(self, name: str) -> str:
        return f"{self.root}/{checked(name)}"

    @contextmanager
    def _clear_errors(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except (OSError, pa.ArrowException) as error:
            kind = re.search(r"AWS Error ([A-Z_]+)(?: \(HTTP status (\d+)\))?", str(error))
            code, status = (kind[1], kind[2]) if kind else ("", None)
            if code == "NO_SUCH_BUCKET" or re.search(r"Bucket '.*' not found", str(error)):
                what = f"there is no bucket {self.bucket!r}. Make it, or correct the address"
            elif code in DENIED or status in {"401", "403"}:
                what = (
                    "access denied. Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or ~/.aws), and that they may "
                    "list, read, write and delete there"
                )
            else:
                what = "the object store does not answer as it should. Nothing is lost: run the same command again"
            raise StoreError(f"{self}: {what}. It said: {error}") from None


@lru_cache(maxsize=8)
def connection(bucket: str, **options: Any) -> pafs.S3FileSystem:
    if not options.keys() & {"endpoint_override", "region"} and not os.environ.get("AWS_REGION"):
        options["region"] = pafs.resolve_s3_region(bucket)
    return pafs.S3FileSystem(
        **options,
        allow_delayed_open=True,  # one request for a small object
        background_writes=False,
        retry_strategy=pafs.AwsStandardS3RetryStrategy(max_attempts=ATTEMPTS),
    )
