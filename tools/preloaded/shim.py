"""The program `pacte` of `tools.preloaded`: hand this command to the server, pass signals on, end as it ends.

It imports as little as it can: its time is added to that of each command.
"""
# ruff: noqa: PTH100, PTH109, PTH115, PTH118, PTH120, PTH123 # importing pathlib takes as long as all the rest

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Iterable

RELAYED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)
FREE = (b"HOME", b"OLDPWD", b"PATH", b"PWD", b"SHLVL", b"_")
OURS = (b"PACTE_", b"SHOP_", b"NEW_")
"""Names of the environment, and how names begin, that no interpreter reads when it starts."""


def main() -> None:
    """Run the command there; or here, with the installed program, where it could not be the same."""
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "environment"), "rb") as file:
        there = _read_at_start(file.read().split(b"\0"))
    environment = [name + b"=" + value for name, value in os.environb.items()]
    where = _where()
    if not where or _read_at_start(environment) != there:
        installed = os.readlink(os.path.join(folder, "installed"))
        os.execv(installed, [installed, *sys.argv[1:]])  # noqa: S606 # as the shell would have

    ignored = [number for number in RELAYED if signal.getsignal(number) == signal.SIG_IGN]
    pid, early = 0, list[int]()

    def relay(number: int, _: object) -> None:
        if not pid:
            early.append(number)
            return
        try:  # noqa: SIM105 # one import less
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    for signum in set(RELAYED) - set(ignored):
        signal.signal(signum, relay)
    umask = os.umask(0o077)
    os.umask(umask)
    arguments = [os.fsencode(argument) for argument in sys.argv[1:]]
    head = [b"%d" % umask, _listed(RELAYED), _listed(ignored), where, b"%d" % len(arguments)]
    asked = b"\0".join([*head, *arguments, *environment])
    with socket.socket(socket.AF_UNIX) as server:
        server.connect(os.path.join(folder, "socket"))
        socket.send_fds(server, [len(asked).to_bytes(4, "big")], [0, 1, 2])
        server.sendall(asked)
        pid = int.from_bytes(server.recv(4, socket.MSG_WAITALL), "big")
        for number in early:
            relay(number, None)
        ended = server.recv(4, socket.MSG_WAITALL)
    _end(int.from_bytes(ended, "big", signed=True) if ended else os.EX_SOFTWARE)


def _where() -> bytes:
    """The working directory; nothing where it is gone, or where one of the standard streams is closed."""
    try:
        for stream in range(3):
            os.fstat(stream)
        return os.getcwdb()
    except OSError:
        return b""


def _read_at_start(environment: Iterable[bytes]) -> set[bytes]:
    """What an interpreter may read when it starts."""
    return {line for line in environment if not line.startswith(OURS) and line.partition(b"=")[0] not in FREE}


def _listed(numbers: Iterable[int]) -> bytes:
    return b",".join(b"%d" % number for number in numbers)


def _end(status: int) -> None:
    """End with a status, or by the signal of a negative one."""
    if status >= 0:
        os._exit(status)
    if -status != signal.SIGKILL:
        signal.signal(-status, signal.SIG_DFL)
    os.kill(os.getpid(), -status)


if __name__ == "__main__":
    main()
