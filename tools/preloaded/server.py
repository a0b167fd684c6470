"""The process of `tools.preloaded` that has imported everything and forks for each command.

It runs one thread only, so that nothing is held by another one at the moment of a fork, and ends when its standard
input does, with all that it started.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import io
import os
import pkgutil
import selectors
import signal
import socket
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 10
"""How long a shim may take to say what it wants."""

_LEFT_OUT = "pacte.app.migrations.env"
"""Runs only within Alembic."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a command was started with."""

    umask: int
    signals: frozenset[int]
    """Signals that the shim passes on, or would if they were not ignored."""
    ignored: frozenset[int]
    where: bytes
    arguments: list[str]
    environment: dict[bytes, bytes]
    streams: list[int]


@dataclass(frozen=True, slots=True)
class Running:
    """A child, the descriptor that tells when it ended, and the shim that waits for it."""

    pid: int
    handle: int
    shim: socket.socket


def preload() -> None:
    """Import every module of pacte, read its law packs and put its commands together, without starting a thread."""
    # Libraries of numbers start threads when they are imported, unless told otherwise before.
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "JE_ARROW_MALLOC_CONF": "background_thread:false"}
    import pacte
    from pacte.cli.main import program
    from pacte.policy.packs import BUILT_IN, HOUSE, built_in

    for module in pkgutil.walk_packages(pacte.__path__, "pacte."):
        if module.name != _LEFT_OUT:
            importlib.import_module(module.name)
    for name in (*BUILT_IN, HOUSE):
        built_in(name)
    program()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:
        raise RuntimeError(f"{threads} threads run after the imports; a fork would copy one of them")
    gc.collect()
    gc.freeze()  # a child need not look at, and so copy, what lies here


def next_command(listener: socket.socket) -> Asked:
    """Serve until the end of standard input; returns in each child, and only there, with what it shall do."""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        children: dict[int, Running] = {}
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    _stop(children)
                elif key.fileobj is listener:
                    asked = _started(listener, selector, children)
                    if asked is not None:
                        listener.close()
                        return asked
                elif key.data in children:
                    _ended(children.pop(key.data), selector)


def become(asked: Asked, program: str) -> None:
    """Make this process what the installed program would be before its first line."""
    os.setsid()
    for signum in asked.signals:
        standard = signal.default_int_handler if signum == signal.SIGINT else signal.SIG_DFL
        signal.signal(signum, signal.SIG_IGN if signum in asked.ignored else standard)
    os.environb.clear()
    os.environb.update(asked.environment)
    os.chdir(asked.where)
    os.umask(asked.umask)
    for number, stream in enumerate(asked.streams):
        os.dup2(stream, number)
        os.close(stream)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        before = getattr(sys, name)
        raw = io.FileIO(number, "w" if number else "r", closefd=False)
        raw.name = f"<{name}>"
        opened = io.TextIOWrapper(
            io.BufferedWriter(raw) if number else io.BufferedReader(raw),
            before.encoding,
            before.errors,
            newline="\n",
            line_buffering=name == "stderr" or raw.isatty(),
        )
        vars(opened)["mode"] = raw.mode[0]
        setattr(sys, name, opened)
        setattr(sys, f"__{name}__", opened)
    sys.argv = [program, *asked.arguments]
    sys.path[0] = str(Path(program).parent)


def end(code: int) -> None:
    """What an interpreter does when its program is over, but for taking down what was imported before the fork.

    That would copy nearly everything that the server holds, and take longer than most commands. The standard streams
    are flushed, and 120 is the status where they cannot be. Source: `Py_FinalizeEx`, `flush_std_files`.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except OSError as error:
        with suppress(OSError):
            sys.stderr.write(f"Exception ignored in: {sys.stdout!r}\n{type(error).__name__}: {error}\n")
        code = 120
    gc.collect()
    os._exit(code & 0xFF)


def _started(listener: socket.socket, selector: selectors.BaseSelector, children: dict[int, Running]) -> Asked | None:
    shim, _ = listener.accept()
    shim.settimeout(SECONDS)
    try:
        asked = _read(shim)
    except (OSError, ValueError):  # a shim that was killed meanwhile
        shim.close()
        return None
    pid = os.fork()
    if pid == 0:
        shim.close()
        for child in children.values():
            child.shim.close()
            os.close(child.handle)
        return asked
    for stream in asked.streams:
        os.close(stream)
    children[pid] = child = Running(pid, os.pidfd_open(pid), shim)
    selector.register(child.handle, selectors.EVENT_READ, pid)
    selector.register(shim, selectors.EVENT_READ, pid)
    with suppress(OSError):
        shim.sendall(pid.to_bytes(4, "big"))
    return None


def _read(shim: socket.socket) -> Asked:
    size, streams, _, _ = socket.recv_fds(shim, 4, 3)
    if len(size) != 4 or len(streams) != 3:
        raise ValueError("a shim says how much it says, and brings three streams")
    said = b""
    while len(said) < int.from_bytes(size, "big"):
        more = shim.recv(1 << 16)
        if not more:
            raise ValueError("a shim ended before it had said everything")
        said += more
    umask, signals, ignored, where, count, *rest = said.split(b"\0")
    arguments, environment = rest[: int(count)], [line.partition(b"=") for line in rest[int(count) :]]
    return Asked(
        int(umask),
        _numbers(signals),
        _numbers(ignored),
        where,
        [os.fsdecode(argument) for argument in arguments],
        {name: value for name, _, value in environment},
        streams,
    )


def _numbers(listed: bytes) -> frozenset[int]:
    return frozenset(int(number) for number in listed.split(b",") if number)


def _ended(child: Running, selector: selectors.BaseSelector) -> None:
    """The child ended, or its shim did: then the child is ended too."""
    if not os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        os.kill(child.pid, signal.SIGKILL)
    _, status = os.waitpid(child.pid, 0)
    with suppress(OSError):
        child.shim.sendall(os.waitstatus_to_exitcode(status).to_bytes(4, "big", signed=True))
    for one in (child.handle, child.shim):
        selector.unregister(one)
    child.shim.close()
    os.close(child.handle)


def _stop(children: dict[int, Running]) -> None:
    for child in children.values():
        os.kill(child.pid, signal.SIGKILL)
    os._exit(0)


if __name__ == "__main__":
    preload()
    with socket.socket(socket.AF_UNIX) as waiting:
        waiting.bind(sys.argv[1])
        waiting.listen(128)
        print("ready", flush=True)
        become(next_command(waiting), sys.argv[2])
    from pacte.cli.main import run

    try:
        run()
    except SystemExit as ended:  # as every command ends; another exception ends as it always does
        status = ended.code
    end(status if isinstance(status, int) else 0)
