"""Real servers on loopback: MLflow's, PostgreSQL, and a proxy that lets them fail."""

import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

LONG_S = 200.0
"""that nothing takes, on the slowest and busiest machine: it only ends what hangs"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(condition: Callable[[], object], what: str, log: Callable[[], str] = str) -> None:
    """Waits until the condition holds; if that takes too long, fails with what the log says."""
    deadline = time.monotonic() + LONG_S
    while not condition():
        assert time.monotonic() < deadline, f"no {what} within {LONG_S} s\n{log()}"
        time.sleep(0.05)


class MlflowServer:
    """`mlflow server` over a database; it can be killed and started again on the same port."""

    def __init__(self, folder: Path, backend: str) -> None:
        self.folder, self.backend, self.port = folder, backend, free_port()
        self.uri = f"http://127.0.0.1:{self.port}"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns at once; see `wait`."""
        mlflow = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(self.port)]
        places = ["--backend-store-uri", self.backend, "--artifacts-destination", str(self.folder / "artifacts")]
        settings = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
        with (self.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*mlflow, *places, "--workers", "1"],
                cwd=self.folder,
                env=os.environ | settings,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait(self) -> None:
        """Until it answers."""
        wait_for(self._answers, f"answer at {self.uri}; see {self.folder / 'server.log'}")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            with urllib.request.urlopen(f"{self.uri}/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            self.process = None


class PostgreSQL:
    """A database server on loopback with its data in a folder of its own.

    It refuses to run as root. The user it runs as instead could not enter pytest's folders.
    """

    def __init__(self) -> None:
        self.port = free_port()
        self.uri = f"postgresql+psycopg2://somebody@127.0.0.1:{self.port}/postgres"
        self.folder = folder = Path(tempfile.mkdtemp(prefix="pg-"))
        user = "nobody" if os.geteuid() == 0 else None
        if user is not None:
            shutil.chown(folder, user)
        data, log = folder / "data", folder / "log"
        binaries = Path(os.path.realpath(str(shutil.which("postgres")))).parent
        initdb = [binaries / "initdb", "--no-sync", "--auth", "trust", "--username", "somebody", "--pgdata", data]
        subprocess.run(initdb, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)
        quick = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}"]
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-p", str(self.port), *quick],
                user=user,
                cwd="/",
                stdout=output,
                stderr=output,
            )
        wait_for(self._accepts, f"PostgreSQL on port {self.port}; see {log}")

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait()
        shutil.rmtree(self.folder)


OPEN = threading.Event()
OPEN.set()


class Proxy:
    """Stands between the mirror and a server.

    `failing`: answers 500, and counts that in `failures`. `before`: called with the path of each request before it is
    handed on. `held`: the paths of the requests that wait, see `holding`.
    """

    def __init__(self, port: int) -> None:
        self.failing, self.failures, self.held = False, 0, list[str]()
        self.gate = OPEN
        self.before: Callable[[str], None] = lambda _: None
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                proxy.held.append(self.path)
                proxy.gate.wait()
                proxy.held.remove(self.path)
                proxy.before(self.path)
                status, content = 500, b"out of order"
                proxy.failures += proxy.failing
                if not proxy.failing:
                    server = http.client.HTTPConnection("127.0.0.1", port)
                    try:
                        server.request(self.command, self.path, body, dict(self.headers))
                        answer = server.getresponse()
                        status, content = answer.status, answer.read()
                    except OSError:  # the server is gone, and so is this connection
                        self.close_connection = True
                        return
                    finally:
                        server.close()
                try:
                    self.send_response(status)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)
                except OSError:  # the client has given up
                    self.close_connection = True

            do_GET = do_POST = do_PUT = answer

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.uri = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @contextmanager
    def holding(self) -> Iterator[threading.Event]:
        """Requests that come meanwhile wait until the event that this gives is set, and are then handed on, even if
        the client has given them up by then; those that come later pass."""
        self.gate = threading.Event()
        try:
            yield self.gate
        finally:
            self.gate = OPEN

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
