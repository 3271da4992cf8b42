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
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

from distnlc.files import at_home

SQLITE = "sqlite:///"
SERVERS, DATABASES = ("http", "https"), ("sqlite", "postgresql", "mysql", "mssql")
WANTED = "expected a server, such as http://HOST:5000, or a database: sqlite:////FOLDER/FILE.db or postgresql://..."
DATABASE = "mlflow.db"
ASIDE = ".mlflow-"
BESIDE = "", "-wal", "-shm", "-journal"
"""what SQLite puts behind the name of a database for the files that belong to it"""


class TrackingError(ValueError):
    """An address where no mirror can be made; the message says where, what was expected and what was found."""


def default_uri(folder: Path) -> str:
    """The tracking address used when the user names none: a SQLite file in the study folder. Raises TrackingError."""
    return sqlite_uri(folder.resolve() / DATABASE)


def sqlite_uri(path: Path) -> str:
    """The address of a SQLite file: its path, with `%` and `?` quoted where they mean something. Raises TrackingError.

    Other characters stay: MLflow makes the folder that an unread address names, if it is not there.
    """
    from sqlalchemy.engine import make_url  # comes with mlflow

    plain = str(path)
    with suppress(UnicodeEncodeError):
        plain.encode()
        for written in (plain, plain.replace("%", "%25").replace("?", "%3F")):
            url = make_url(f"{SQLITE}{written}")
            if url.database == plain and not url.query:
                return f"{SQLITE}{written}"
    # bytes that are no text in this locale, or a `?` for SQLAlchemy before 2.1
    raise TrackingError(f"{plain}: MLflow can have no database in a folder of this name; choose a plainer one")


def sqlite_file(uri: str) -> Path | None:
    """The file of a SQLite address; None for other databases and for servers."""
    from sqlalchemy.engine import make_url

    if is_server(uri) or not uri.startswith("sqlite"):
        return None
    return Path(make_url(uri).database or "")


def is_server(uri: str) -> bool:
    """Whether the address is that of a tracking server, not of a database."""
    return uri.partition("://")[0].lower() in SERVERS


def checked_uri(uri: str, named_by: str = "tracking address") -> str:
    """The address in full, a file's path absolute; one that cannot work is refused, without connecting.

    Raises TrackingError, which begins with `named_by`, and NoHomeError.
    """
    where = f"{named_by} {masked(uri)}"
    scheme, _, rest = uri.partition("://")
    if scheme.partition("+")[0].lower() not in SERVERS + DATABASES:
        raise TrackingError(f"{where}: {WANTED}; MLflow no longer writes to plain folders")
    if not is_server(uri):
        return _checked_database(uri, where)
    if not re.match(r"([^/]*@)?(\[[0-9a-fA-F:]+\]|[^/:@\s]+)(:\d+)?([/?#]|$)", rest):
        raise TrackingError(f"{where}: no host in it, or a port that is no number; {WANTED}")
    return uri


def _checked_database(uri: str, where: str) -> str:
    try:
        from sqlalchemy.engine import make_url
        from sqlalchemy.exc import ArgumentError, SAWarning
    except ImportError:
        raise TrackingError(f"{where}: MLflow is not installed here, which brings what a database needs") from None
    try:
        url = make_url(uri)
        dialect = url.get_dialect()
        dialect.import_dbapi()
        if dialect.name != "sqlite":
            return uri
        with warnings.catch_warnings():
            warnings.simplefilter("error", SAWarning)
            dialect().create_connect_args(url)
    except ImportError as error:
        message = f"{where}: this kind of database needs the Python package {error.name}, which is not installed here"
        raise TrackingError(message) from None
    except SAWarning as error:
        raise TrackingError(f"{where}: {error} A ? in a path is written as %3F, a % as %25") from None
    except (ArgumentError, ValueError) as error:
        raise TrackingError(f"{where}: {masked(str(error))}; {WANTED}") from None
    if not url.database or url.database == ":memory:":
        raise TrackingError(f"{where}: names no file; {WANTED}")
    path = Path(at_home(url.database)).absolute()
    if not path.resolve().parent.is_dir():
        raise TrackingError(f"{where}: there is no folder {path.resolve().parent}")
    return usable_uri(uri if url.query else sqlite_uri(path))


def masked(text: str) -> str:
    """The text without the user names, passwords and tokens of the addresses in it; a file's address has none."""
    text = re.sub(r"://(?!/)\S*@", "://***@", text)
    return re.sub(r"(\w*(?:passw|pwd|token|secret)\w*=)[^&\s]+", r"\1***", text, flags=re.IGNORECASE)


def ui_command(uri: str) -> str:
    """The address to open, or the line to type in this shell, to see the mirror.

    `mlflow ui` listens on 127.0.0.1 unless told otherwise. It makes the folder that an unread address names: where
    something in the path is quoted it is started in the file's own folder.
    """
    if is_server(uri):
        return masked(uri)
    mlflow = "mlflow" if shutil.which("mlflow") else str(Path(sys.executable).with_name("mlflow"))
    path = sqlite_file(uri)
    if path is None or f"{SQLITE}{path}" == uri:
        return shlex.join([mlflow, "ui", "--backend-store-uri", masked(uri) if path is None else uri])
    ui = shlex.join([mlflow, "ui", "--backend-store-uri", f"{SQLITE}{path.name}"])
    return f"cd {shlex.quote(str(path.parent))} && {ui}"


def usable_uri(uri: str) -> str:
    """The address, whose file, if it is one, is a database or not there. Without connecting; raises TrackingError.

    In a study from somebody else the file may be, or lead to, what is another program's.
    """
    if path := sqlite_file(uri):
        for beside in BESIDE:
            if (link := path.with_name(path.name + beside)).is_symlink():
                raise TrackingError(f"{link}: a symbolic link, through which nothing is written. Name the file itself")
        try:
            if path.exists():
                with closing(sqlite3.connect(path)) as database:
                    database.execute("PRAGMA schema_version")
        except sqlite3.OperationalError:  # such as a database that is busy
            pass
        except sqlite3.DatabaseError as error:
            raise TrackingError(f"{path}: {error}. Move it away, and the mirror is made anew") from None
    return uri


def connect(uri: str) -> Any:
    """An MLflow client that gives up soon and logs nothing; settings in the user's environment come first.

    Raises TrackingError for a file that is no database, or lies behind a symbolic link.
    """
    path = sqlite_file(usable_uri(uri))
    if path is None:
        return _client(uri)
    if not path.exists():
        _create_database(path)
    with _no_folder_but(path.parent, uri):
        return _client(uri)


def discard_unfinished(folder: Path) -> None:
    """Deletes the database that is being made in a study's folder, of which nobody else makes one."""
    for aside in folder.glob(f"{ASIDE}*"):
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def _no_folder_but(folder: Path, uri: str) -> Iterator[None]:
    """A context after which there is no empty folder that MLflow took an address with quoted characters for."""
    unread = Path(uri.removeprefix(SQLITE)).parent
    made = [] if unread == folder else [each for each in (unread, *unread.parents) if not each.exists()]
    try:
        yield
    finally:
        for each in made:
            with suppress(OSError):
                each.rmdir()


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
    """Makes the SQLite file, with a write-ahead log.

    Its tables are made aside and published whole: two processes in the schema migration at once would break it, and
    so would a crash in the middle.
    """
    with tempfile.TemporaryDirectory(prefix=ASIDE, dir=path.parent) as folder:
        aside = Path(folder) / path.name
        with _no_folder_but(aside.parent, uri := sqlite_uri(aside)):
            _client(uri)
        with closing(sqlite3.connect(aside)) as database:
            database.execute("PRAGMA journal_mode=WAL")
        if not path.exists():  # the user's `mlflow ui` may have been faster
            os.replace(aside, path)
