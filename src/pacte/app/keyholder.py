"""Where a house's keys are, as its settings say: the key store's folder, and who holds the key that wraps the rest."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pacte.app.settings import FILE, KeySettings, secret
from pacte.kernel.core import forbid_dumps
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.instant import Instant, now
from pacte.keys.files import private_folder
from pacte.keys.keyfile import FileKeyService, KeyFile, PassphraseKeyService, WrongPassphrase
from pacte.keys.remote import SocketKeyService
from pacte.keys.service import KeyService

KEYS = "keys"
"""The key store's folder within the house, where the settings name no other."""
KEY_FILE = "kek.json"


def key_folder(house: Path, settings: KeySettings) -> Path:
    """The folder of the key store; a path that does not begin with `/` begins at the house."""
    return house / (settings.folder or KEYS)


def key_service(
    house: Path, settings: KeySettings, passphrase: str | None, made: Instant, *, create: bool
) -> KeyService:
    """The service that the settings name; with `create`, its first key is made where none lies yet.

    The service behind a socket makes its own.
    """
    folder = key_folder(house, settings)
    if create:
        private_folder(folder)
    if settings.service == "file":
        return key_file(folder, None, made, create=create)
    if settings.service == "passphrase":
        words = passphrase if passphrase is not None else secret(settings.passphrase)
        try:
            return key_file(folder, words, made, create=create)
        except WrongPassphrase as error:
            origin = "" if passphrase is not None else f"; it was read from `{settings.passphrase}`, as {FILE} says"
            raise Unsafe(f"{error}{origin}") from None
    if settings.service == "socket" and settings.socket:
        return SocketKeyService(house / settings.socket, settings.owner)
    if settings.service == "socket":
        raise BadInput(f"{FILE}: `keys.socket` must say where the key service answers, such as `/run/pacte-keys.sock`")
    raise BadInput(f"{FILE}: `keys.service` must be `file`, `passphrase` or `socket`")


def key_file(folder: Path, passphrase: str | None, made: Instant, *, create: bool) -> KeyFile:
    """The key file of a key service; with `create`, made where none lies yet. From here on no core file is left."""
    forbid_dumps()
    if create:
        private_folder(folder)
    target = folder / KEY_FILE
    make = create and not target.exists()
    if passphrase is None:
        return FileKeyService.create(target, made) if make else FileKeyService(target)
    return PassphraseKeyService.create(target, passphrase, made) if make else PassphraseKeyService(target, passphrase)


def serve(
    socket: Path, folder: Path, passphrase: str | None, *, create: bool, group: str, ready: Callable[[], object]
) -> None:
    """Be the key service of a house, until this process is told to end; see `keys.server`."""
    from pacte.keys.server import serve as serving

    serving(socket, key_file(folder, passphrase, now(), create=create), now, group, ready)
