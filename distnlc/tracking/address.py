"""Where the mirror can be: a SQLite file, another database, a tracking server.

In: an address, the user's or the default. Out: a refusal, a client, the line to type to see the mirror.
Every address that is shown goes through `masked`.
"""

import logging
import os
import re
import shlex
import shutil
import sqlite3
import sys
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

SQLITE = "sqlite:///"
SERVERS, DATABASES = ("http", "https"), ("sqlite", "postgresql", "mysql", "mssql")
WANTED = "expected a server, such as http://HOST:5000, or a database: sqlite:////FOLDER/FILE.db or postgresql://..."


class TrackingError(ValueError):
    """An address where no mirror can be made; the message says where, what was expected and what was found."""


def default_uri(folder: Path) -> str:
    """The tracking address used when the user names none: a SQLite file in the study folder."""
    return f"{SQLITE}{folder.resolve()}/mlflow.db"


def is_server(uri: str) -> bool:
    """Whether the address is that of a tracking server, not of a database."""
    return uri.partition("://")[0].lower() in SERVERS


def check_uri(uri: str) -> None:
    """Refuses an address that cannot work, without connecting. Raises TrackingError."""
    where = f"tracking address {masked(uri)}"
    scheme, _, rest = uri.partition("://")
    if scheme.partition("+")[0].lower() not in SERVERS + DATABASES:
        raise TrackingError(f"{where}: {WANTED}; MLflow no longer writes to plain folders")
    if is_server(uri):
        if not re.match(r"([^/]*@)?(\[[0-9a-fA-F:]+\]|[^/:@\s]+)(:\d+)?([/?#]|$)", rest):
            raise TrackingError(f"{where}: no host in it, or a port that is no number; {WANTED}")
    else:
        _check_database(uri, where)


def _check_database(uri: str, where: str) -> None:
    from sqlalchemy.engine import make_url  # comes with mlflow
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(uri)
        dialect = url.get_dialect()
        dialect.import_dbapi()
    except ImportError as error:
        message = f"{where}: this kind of database needs the Python package {error.name}, which is not installed here"
        raise TrackingError(message) from None
    except (ArgumentError, ValueError) as error:
        raise TrackingError(f"{where}: {masked(str(error))}; {WANTED}") from None
    if dialect.name == "sqlite":
        if not url.database or url.database == ":memory:":
            raise TrackingError(f"{where}: names no file; {WANTED}")
        folder = Path(url.database).resolve().parent
        if not folder.is_dir():
            raise TrackingError(f"{where}: there is no folder {folder}")


def masked(text: str) -> str:
    """The text without the user names, passwords and tokens of the addresses in it."""
    text = re.sub(r"://\S*@", "://***@", text)
    return re.sub(r"(\w*(?:passw|pwd|token|secret)\w*=)[^&\s]+", r"\1***", text, flags=re.IGNORECASE)


def ui_command(uri: str) -> str:
    """The address to open, or the line to type in this shell, to see the mirror.

    `mlflow ui` listens on 127.0.0.1 unless told otherwise.
    """
    if is_server(uri):
        return masked(uri)
    mlflow = "mlflow" if shutil.which("mlflow") else str(Path(sys.executable).with_name("mlflow"))
    return shlex.join([mlflow, "ui", "--backend-store-uri", masked(uri)])


def connect(uri: str) -> Any:
    """An MLflow client that gives up soon and logs nothing; settings in the user's environment come first.

    Raises TrackingError for a database behind a symbolic link.
    """
    if uri.startswith(SQLITE):
        path = Path(uri.removeprefix(SQLITE))
        if path.is_symlink():  # in a study from somebody else it may lead to another program's database
            raise TrackingError(f"{path}: a symbolic link, through which nothing is written. Name the file itself")
        _create_database(path)
    return _client(uri)


def _client(uri: str) -> Any:
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # read when mlflow is imported
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")  # creating a run again would double it
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # two lines for each run
    from mlflow.tracking import MlflowClient

    for chatter in ("mlflow", "alembic", "urllib3.connectionpool"):  # the mirror reports failures, once
        logging.getLogger(chatter).setLevel(logging.CRITICAL)
    return MlflowClient(tracking_uri=uri)


def _create_database(path: Path) -> None:
    """Makes the SQLite file, if there is none, with a write-ahead log.

    Its tables are made aside and published whole: two processes in the schema migration at once would break it, and
    so would a crash in the middle.
    """
    if path.exists():
        return
    with tempfile.TemporaryDirectory(prefix=".mlflow-", dir=path.parent) as folder:
        aside = Path(folder) / path.name
        _client(f"{SQLITE}{aside}")
        with closing(sqlite3.connect(aside)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        if not path.exists():  # the user's `mlflow ui` may have been faster
            os.replace(aside, path)
