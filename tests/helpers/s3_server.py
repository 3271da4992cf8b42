"""A real S3 server (moto) on loopback, in a thread, whose requests can be watched and made to fail."""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow.fs as pafs
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "studies"
RESET = b"\1\0\0\0\0\0\0\0"
"""of SO_LINGER: closing resets the connection"""


def nothing(request: str) -> None:
    """What is done before and after a request."""


class S3Server:
    """The WSGI application in front of moto."""

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.faults: list[str] = []
        """of the next requests: an answer like `503 Slow Down`, or `reset`, `hang`, `pass`"""
        self.before: Callable[[str], Any] = nothing
        self.after: Callable[[str], Any] = nothing
        self._moto = DomainDispatcherApplication(create_backend_app)
        logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
        self.start()

    def start(self, port: int = 0) -> None:
        self._server = make_server("127.0.0.1", port, self, threaded=True)
        self.port = self._server.port
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """From now on connections are refused; what is stored is kept for `start`."""
        self._server.shutdown()
        self._server.server_close()

    def address(self, prefix: str) -> str:
        return f"s3://{BUCKET}/{prefix}?endpoint_override=127.0.0.1:{self.port}&scheme=http"

    def connection(self) -> pafs.S3FileSystem:
        return pafs.S3FileSystem(endpoint_override=f"127.0.0.1:{self.port}", scheme="http", allow_bucket_creation=True)

    def __call__(self, environment: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        request = f"{environment['REQUEST_METHOD']} {environment['PATH_INFO']}"
        self.requests.append(request)
        self.before(request)
        fault = self.faults.pop(0) if self.faults else "pass"
        if fault == "reset":
            connection = environment["werkzeug.socket"]
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            connection.shutdown(socket.SHUT_RDWR)
        if fault == "hang":
            time.sleep(8)
        if fault != "pass":
            start_response(fault if fault[0].isdigit() else "500 Fault", [("Content-Length", "0")])
            return [b""]
        answer = list(self._moto(environment, start_response))
        self.after(request)
        return answer


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """A server with one bucket; the environment has credentials for it."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_EC2_METADATA_DISABLED": "true"}
    server = S3Server()
    server.connection().create_dir(BUCKET)
    yield server
    server.stop()
