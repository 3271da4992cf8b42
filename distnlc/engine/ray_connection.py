"""The way of this process to Ray: a private instance on this machine, or a cluster that is running.

In: the ray module, an address or none. Out: Ray connected, or an EngineError that says what is wrong and what to do.
A Ray started here listens on the loopback interface only and takes work only from those who know its token, a secret
of this process and its children that is written to no file.
"""

import logging
import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from distnlc.engine.executor import EngineError
from distnlc.engine.signals import ending_signals, leave_lost_terminal
from distnlc.plugins import search_path
from distnlc.versions import cores

OBJECT_STORE_BYTES = 200 * 2**20
"""object store of an instance started here: records are small"""
ANSWER_LIMIT_S = 15.0
"""how long to retry a cluster's address; its head may still be starting"""
QUIET = {"log_to_driver": False, "logging_level": logging.ERROR}
MODE, TOKEN, TOKEN_PATH = "RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"
TOKEN_FILE = "~/.ray/auth_token"


def connect(ray: Any, workers: int | None, address: str | None) -> bool:
    """Starts Ray with `workers` cores, or joins the cluster at the address; see RayExecutor. Raises EngineError.

    False if this process had joined one before, which then stays.
    """
    if ray.is_initialized():
        return False
    address = address or os.environ.get("RAY_ADDRESS")
    if address and address != "local":
        _join(ray, address)
    else:
        _start(ray, workers)
    ray._private.worker.print_to_stdstream = _nothing  # else a hundred lines of the log of each node that dies
    return True


def _nothing(*_: object, **__: object) -> None:
    """Replaces functions of Ray that print or set handlers; the engine reports what matters."""


@contextmanager
def _interrupted_afterwards(ray: Any) -> Iterator[None]:
    """A context that postpones Ctrl-C, SIGTERM and SIGHUP to its end, where they raise KeyboardInterrupt.

    A Ray that is interrupted half-way can crash the process when it ends. A second signal interrupts at once. Ray's own
    handler for SIGTERM, which ends the process with another exit code or is lost where Python ignores exceptions, is
    not set. Processes that are started within never see SIGHUP: a closed terminal sends it to all at once, and a driver
    whose Ray dies before it does cannot end in order.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    came = 0

    def note(number: int, *_: object) -> None:
        nonlocal came
        leave_lost_terminal(number)
        came += 1
        if came > 1 and number != signal.SIGHUP:  # which comes twice by itself
            raise KeyboardInterrupt

    before = {number: signal.signal(number, note) for number in (signal.SIGINT, *ending_signals())}
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    setter, ray._private.utils.set_sigterm_handler = ray._private.utils.set_sigterm_handler, _nothing
    try:
        yield
    finally:
        ray._private.utils.set_sigterm_handler = setter
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        for number, handler in before.items():
            signal.signal(number, handler)
    if came:
        raise KeyboardInterrupt


def disconnect(ray: Any) -> None:
    """Ends this process's connection, and the Ray that it started.

    Ray's end leaves the system's own handler for SIGTERM, then waits seconds for its processes: a signal would end this
    one without a word. The present handler is set again before that wait and after it.
    """
    handler, node = signal.getsignal(signal.SIGTERM), ray._private.worker._global_node
    if threading.current_thread() is not threading.main_thread() or handler is None:
        ray.shutdown()
        return
    if node is not None:
        end = node.kill_all_processes

        def handled(*arguments: Any, **options: Any) -> None:
            signal.signal(signal.SIGTERM, handler)
            end(*arguments, **options)

        node.kill_all_processes = handled
    ray.shutdown()
    signal.signal(signal.SIGTERM, handler)


def _start(ray: Any, workers: int | None) -> None:
    if TOKEN_PATH not in os.environ and os.environ.get(MODE, "token").lower() == "token":
        os.environ.setdefault(TOKEN, secrets.token_hex(32))
    try:
        with _interrupted_afterwards(ray), _loopback(ray):
            ray.init(
                address="local",
                num_cpus=workers or cores(),
                job_config=_job_config(ray),
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                **QUIET,
            )
    except Exception as error:
        raise EngineError(f"Ray cannot be started on this machine: {_story(error)}") from error


def _job_config(ray: Any) -> Any:
    """Makes workers search the folders for modules that this process searches, in front of the library's.

    Ray itself puts the current folder and that of the command in front of all: another checkout there, or a file such
    as pandas.py, would be what the workers import.
    """
    config = ray.job_config.JobConfig()
    serialize = config._serialize

    def as_here() -> Any:
        config._py_driver_sys_path = search_path()[::-1]  # each is put in front of those before it
        return serialize()

    config._serialize = as_here
    return config


@contextmanager
def _loopback(ray: Any) -> Iterator[None]:
    """Makes Ray start on the loopback interface, as it does by itself only on macOS and Windows.

    The variable RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER would do the same, but Ray reads it on import.
    """
    constants = ray._private.ray_constants
    usual, constants.ENABLE_RAY_CLUSTER = constants.ENABLE_RAY_CLUSTER, False
    try:
        yield
    finally:
        constants.ENABLE_RAY_CLUSTER = usual


def _join(ray: Any, address: str) -> None:
    what = f"Ray at {address} cannot be joined"
    host, colon, port = address.rpartition(":")
    if colon and port.isdecimal() and "//" not in host:
        _wait_for_answer(what, host.strip("[]"), int(port))
    try:
        with _interrupted_afterwards(ray), _one_try(), _without_stderr():
            ray.init(address=address, job_config=_job_config(ray), **QUIET)
    except Exception as error:
        raise EngineError(f"{what}: {_story(error)}") from error


def _wait_for_answer(what: str, host: str, port: int) -> None:
    """Waits until somebody accepts a connection. Raises EngineError; Ray itself would wait a quarter of an hour."""
    deadline = time.monotonic() + ANSWER_LIMIT_S
    while True:
        try:
            socket.create_connection((host, port), timeout=ANSWER_LIMIT_S / 3).close()
        except (OSError, OverflowError) as error:
            if time.monotonic() > deadline:
                raise EngineError(
                    f"{what}: nobody answers there ({error}). The address is that of the cluster's head, HOST:6379 "
                    "unless another port was named, as `ray start --head` has printed it; `auto` finds a Ray that "
                    "runs on this machine"
                ) from None
            time.sleep(0.5)
        else:
            return


@contextmanager
def _one_try() -> Iterator[None]:
    """Keeps Ray from asking the head again and again, whatever the answer; a refused token stays refused."""
    name = "RAY_gcs_server_port_wait_time_s"
    before = os.environ.get(name)
    os.environ[name] = before or "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]


@contextmanager
def _without_stderr() -> Iterator[None]:
    """Silences the C++ part of Ray, which writes what its exceptions say as well."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _story(error: BaseException) -> str:
    """What is wrong and what to do. The reason of a failed connection is in the errors that caused Ray's last one."""
    chain = [error]
    while behind := chain[-1].__cause__ or chain[-1].__context__:
        chain.append(behind)
    said = " ".join(map(str, chain))
    if any(words in said for words in ("InvalidAuthToken", "authentication token", TOKEN_PATH)):
        return f"{_why_refused()}. The token of a cluster is what its head has in {TOKEN}, {TOKEN_PATH} or {TOKEN_FILE}"
    for each in chain:
        if "ersion mismatch" in str(each):
            return f"{' '.join(str(each).split())}. The machines of a cluster need the same Ray and the same Python"
    return f"{type(error).__name__}: {' '.join(str(error).split())}"


def _why_refused() -> str:
    """What is wrong with this process's token, looked up in the same order as by Ray."""
    mode, path = os.environ.get(MODE), os.environ.get(TOKEN_PATH)
    if (mode or "").lower() != "token":
        return f"it wants a token, and none is sent while {MODE} is {mode or 'not set'}: set {MODE}=token"
    if os.environ.get(TOKEN):
        return f"it refuses the token in the variable {TOKEN}: set the cluster's, or unset it and set {TOKEN_PATH}"
    file = path or TOKEN_FILE
    try:
        held = bool(Path(file).expanduser().read_bytes().strip())
    except (OSError, RuntimeError):  # RuntimeError: there is no home folder
        held = False
    fault = f"it refuses the token in {file}" if held else f"it wants a token, and {file} holds none that can be read"
    return f"{fault}: put the cluster's token there, or set {TOKEN_PATH} to a file that holds it"
