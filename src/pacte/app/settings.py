"""Deployment settings: `settings.toml` in the house, overridden by `PACTE_*` variables; secrets only by reference.

What the company promises stands in the policy; what this installation needs stands here.
"""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Mapping
from email.utils import getaddresses
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import ErrorDetails

from pacte.kernel import db
from pacte.kernel.errors import BadInput, Unsafe
from pacte.kernel.i18n import LANGUAGES
from pacte.policy.mistakes import meant
from pacte.uses.message.mime import address

FILE = "settings.toml"
USUAL_REFERENCE = "env:PACTE_PASSPHRASE"
"""Where the passphrase of a new house is read from."""

DEFAULTS = """\
# settings of this installation; what the company promises stands in policy.yaml
language = "{lang}"          # en or fr: words of the command line
region = "FR"            # how phone numbers without a country code are read (ISO 3166)
origin = {origin}
                         # the name of this house's log; part of every checkpoint, never changed

[keys]
service = "file"         # file: keys/kek.json beside the data (development); or passphrase, socket: docs/how-to/keys.md
# passphrase = "env:PACTE_PASSPHRASE"   # or file:/run/secrets/pacte; needed when service = "passphrase"
# socket = "/run/pacte-keys.sock"       # where the key service answers; needed when service = "socket"
# folder = "/other/disk/keys"           # where keys.db lies; keys/ in the house if this line is absent
"""

RECORDS_ELSEWHERE = """
[records]
database = {database}   # PostgreSQL: env:NAME, file:PATH, or an address without a password
"""

LAKE_ELSEWHERE = """
[lake]
engine = "postgresql"    # what people did lies in the database of the records; never changed by hand
"""

_PASSWORD = re.compile(r"[a-z0-9+]+://[^/@]*:[^/@]+@")


class KeySettings(BaseModel):
    """Where the key that wraps all other keys comes from, and where those others lie, wrapped.

    `socket` is where a key service of its own answers, run by the user `owner` (by default the house's, or root).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    service: str = "file"
    passphrase: str = ""
    socket: str = ""
    owner: str = ""
    folder: str = ""


class RecordSettings(BaseModel):
    """Where the records are: `""` for `records.db` in the house, or PostgreSQL.

    `database` is `env:NAME`, `file:PATH`, or an address without a password, `postgresql://name@host/database`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    database: str = ""


class LakeSettings(BaseModel):
    """Where the rows of the datasets are: `postgresql`, in the database of the records, or `files` in the house.

    It is decided when a house is founded or moved: `""` then takes `postgresql` where the records are there, and means
    `files` ever after.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    engine: Literal["", "files", "postgresql"] = ""


class TimestampSettings(BaseModel):
    """Whose time-stamps the checkpoints get: the authority's address, and the PEM file of its root; or neither.

    A path that is not absolute starts in the house.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    authority: str = ""
    ca: str = ""


class WitnessSettings(BaseModel):
    """A witness that cosigns checkpoints: the address before `/add-checkpoint`, and its verifier key."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str
    key: str


class WebSettings(BaseModel):
    """Where people reach the house: its public address, and whose pages may show its badge.

    `url` is the address that messages and printed notices point to, without a slash at its end; `origins` are the
    company's own sites, such as `https://shop.example`. `embedded_by` are those of them that may show its forms within
    their pages. `trusted_proxy`: whether a proxy in front says who calls. `chromium` is the browser that takes pictures
    of forms, where it is not found by its usual names.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    url: str = "http://127.0.0.1:8080"
    origins: tuple[str, ...] = ()
    embedded_by: tuple[str, ...] = ()
    chromium: str = ""
    trusted_proxy: bool = False

    @field_validator("url")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*[^/?#\s])?", value):
            raise ValueError("expected an address such as https://privacy.shop.example, without a slash at its end")
        return value

    @field_validator("origins", "embedded_by")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(re.fullmatch(r"https?://[^/?#@\s]+", one) for one in value):
            raise ValueError("expected origins such as https://shop.example, without a path")
        return value


class DkimSettings(BaseModel):
    """Who signs the mail of campaigns: the domain, the selector its key is published under, and the key, or no key.

    `key` is a reference, `file:PATH` or `env:NAME`, to an RSA key of 2,048 bits or more in PEM. Source: RFC 6376.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    domain: str = ""
    selector: str = "pacte"
    key: str = ""


_EXPECTED = (
    "expected an address that mail can be sent from and to, such as news@shop.example: letters without accents before "
    "the `@`, and behind it the domain as the DNS has it (`xn--…` where it has accents)"
)
_BEFORE_NAME = 31
"""A return path adds a `+` and the 32 letters of a message's name, to 64 characters at most.

Source: RFC 5321 §4.5.3.1.1.
"""


def _is_plain(value: str) -> bool:
    """Whether this is an address as headers and envelopes hold it."""
    try:
        return address(value) == value
    except BadInput:
        return False


class MailSettings(BaseModel):
    """How messages leave: an SMTP server, how it is spoken to, and who they are from; no `host`, no mail.

    `tls` is `starttls` (port 587), `implicit` (465) or `none`, which only a server on this machine may have.
    `password` is a reference; `ca` a PEM file of the authority behind the server's certificate, where it is not public.
    `folder`, in place of a host, is where letters are put as files instead of being sent: to try a house with invented
    people, since letters hold addresses in the clear. `bounces` and `complaints` are the addresses that reports of
    mail servers come to; `seeds` those of colleagues who get every test of a message. `reports` is the Maildir in which
    those reports arrive here, where a mail server of your own puts them into one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    host: str = ""
    port: Annotated[int, Field(ge=1, le=65_535)] = 587
    tls: Literal["starttls", "implicit", "none"] = "starttls"
    user: str = ""
    password: str = ""
    sender: str = Field(default="", alias="from")
    ca: str = ""
    folder: str = ""
    bounces: str = ""
    complaints: str = ""
    reports: str = ""
    seeds: tuple[str, ...] = ()
    dkim: DkimSettings = DkimSettings()

    @field_validator("sender")
    @classmethod
    def _one_sender(cls, value: str) -> str:
        found = getaddresses([value]) if value else []
        if value and (len(found) != 1 or not _is_plain(found[0][1])):
            raise ValueError(f'{_EXPECTED}, with or without a name such as "The shop <news@shop.example>"')
        return value

    @field_validator("bounces", "complaints")
    @classmethod
    def _alone(cls, value: str) -> str:
        if value and not _is_plain(value):
            raise ValueError(_EXPECTED)
        return value

    @field_validator("bounces")
    @classmethod
    def _with_room(cls, value: str) -> str:
        if len(value.rpartition("@")[0]) > _BEFORE_NAME:
            raise ValueError(
                f"expected {_BEFORE_NAME} characters before the `@` at most; a message's name follows them"
            )
        return value

    @field_validator("seeds")
    @classmethod
    def _each(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not all(map(_is_plain, value)):
            raise ValueError(_EXPECTED)
        return value


class SmsSettings(BaseModel):
    """How text messages leave: the address of a service that takes them by HTTP, its key, who they are from.

    `key` is a reference; `from` a number, or a name of eleven letters or digits at most, to which nobody can reply.
    `private` and `ca` are as for a receiver of messages.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, populate_by_name=True)

    url: str = ""
    key: str = ""
    sender: Annotated[str, Field(pattern=r"^(\+?\d{3,15}|[A-Za-z0-9 ]{1,11})?$")] = Field(default="", alias="from")
    private: bool = False
    ca: str = ""

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        if value and not _RECEIVER.fullmatch(value):
            raise ValueError("expected an https address, or http of this machine, without a name or a password in it")
        return value


class SendingSettings(BaseModel):
    """How campaigns leave: by how many workers in one process, and how many messages a minute at most.

    `per_minute` is for all of a process's mail, 0 for no limit; `domains` for single domains, such as
    `{ "mail.example" = 600 }`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    workers: Annotated[int, Field(ge=1, le=16)] = 1
    per_minute: Annotated[int, Field(ge=0, le=1_000_000)] = 0
    domains: dict[str, Annotated[int, Field(ge=1, le=1_000_000)]] = {}


class ArrivalSettings(BaseModel):
    """The company's own site, whose word signs a customer in: who signs its tokens, and with which key.

    `public_key` is an Ed25519 key in PEM (or `env:NAME`, `file:PATH` of one), `secret` the reference of a shared secret
    of 32 bytes or more; one of them. `issuer` is what the tokens say they are from, `audience` for whom: the house's
    public address where it is absent. Only pages of `web.origins` may send one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    issuer: str = ""
    audience: str = ""
    public_key: str = ""
    secret: str = ""


class ListSettings(BaseModel):
    """Where the seeds of lists lead: addresses of the company's own, read by whoever watches for misuse.

    One invented person is on each list that leaves. `email` gets the seed's name after a `+`; `phone` and `post` (one
    line) are the same for all lists, which names tell apart. Where one is empty, it is invented.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    email: str = ""
    phone: str = ""
    post: str = ""


EVENTS = (
    "choice.recorded",
    "choice.withdrawn",
    "erasure.begun",
    "erasure.done",
    "stop.begun",
    "stop.lifted",
    "notice.published",
)
"""What a receiver may be told of."""
_RECEIVER = re.compile(r"https://[^/?#@\s]+[^#@\s]*|http://(localhost|127\.0\.0\.1|\[::1\])(:\d+)?([/?][^#@\s]*)?")


class WebhookSettings(BaseModel):
    """A system that is told what happens: its name, its address, of which events and of which purposes (all if empty).

    `signature` is `v1` (a secret that both share) or `v1a` (a key pair of ours); a new `version` a new key. `private`
    says that the address is meant to lie in the company's own network. `ca` is a PEM file of the one authority that is
    believed about the receiver's certificate (or that certificate itself), in the place of the public ones; a path that
    is not absolute starts in the house.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]
    url: str
    events: tuple[str, ...] = EVENTS
    purposes: tuple[str, ...] = ()
    signature: Literal["v1", "v1a"] = "v1"
    version: Annotated[int, Field(ge=1)] = 1
    private: bool = False
    ca: str = ""

    @field_validator("url")
    @classmethod
    def _safe(cls, value: str) -> str:
        if not _RECEIVER.fullmatch(value):
            raise ValueError("expected an https address, or http of this machine, without a name or a password in it")
        return value

    @field_validator("events")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if set(value) - set(EVENTS):
            raise ValueError(f"expected events of {', '.join(EVENTS)}")
        return value


class Settings(BaseModel):
    """The settings of one house. `origin` names its log in every checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    language: Literal["en", "fr"] = "en"
    region: str = "FR"
    origin: str
    keys: KeySettings = KeySettings()
    records: RecordSettings = RecordSettings()
    lake: LakeSettings = LakeSettings()
    timestamps: TimestampSettings = TimestampSettings()
    witnesses: tuple[WitnessSettings, ...] = ()
    web: WebSettings = WebSettings()
    mail: MailSettings = MailSettings()
    sms: SmsSettings = SmsSettings()
    sending: SendingSettings = SendingSettings()
    arrival: ArrivalSettings = ArrivalSettings()
    lists: ListSettings = ListSettings()
    webhooks: tuple[WebhookSettings, ...] = ()

    @field_validator("webhooks")
    @classmethod
    def _apart(cls, value: tuple[WebhookSettings, ...]) -> tuple[WebhookSettings, ...]:
        if len({one.name for one in value}) != len(value):
            raise ValueError("two receivers of one name; each has a name of its own")
        return value


def reached_at(settings: Settings, url: str) -> Settings:
    """These settings, with `url` as the address of the house where they name none; for one that serves itself."""
    if "url" in settings.web.model_fields_set:
        return settings
    return settings.model_copy(update={"web": WebSettings.model_validate(settings.web.model_dump() | {"url": url})})


LETTERS = """
[mail]
# For trying: letters become files in this folder. To send them, name a `host` instead.
folder = {folder}
from = {sender}
"""


def write_defaults(house: Path, origin: str, lang: str, database: str = "") -> None:
    """Write the commented settings of a new house; an existing file is left alone.

    `database` is a reference or an address of PostgreSQL (see `RecordSettings`).
    """
    target = house / FILE
    if not target.exists():
        words = DEFAULTS.format(origin=json.dumps(origin), lang=lang)
        if database:
            words += RECORDS_ELSEWHERE.format(database=json.dumps(database)) + LAKE_ELSEWHERE
        target.write_text(words, encoding="utf-8")


def record_address(settings: Settings) -> str:
    """The address of the PostgreSQL database that holds the records, `""` where they are in the house itself."""
    return address_of(settings.records.database)


def address_of(reference: str) -> str:
    """The address of PostgreSQL that `env:NAME`, `file:PATH` or an address without a password leads to; `""` of `""`.

    Raises `BadInput` that never shows the address.
    """
    found = reference
    if found.startswith(("env:", "file:")):
        found = secret(found)
    elif _PASSWORD.match(found) or db.holds_password(found):
        raise BadInput(f"{FILE}: `records.database` holds a password; write it as `env:NAME` or `file:PATH`")
    if found and not found.startswith(("postgresql://", "postgres://")):
        raise BadInput(
            f"{FILE}: `records.database` must lead to an address of the form `postgresql://name@host/database`"
        )
    return found


class Watch:
    """Notices that the records have moved since they were opened: one look at a file's dates per transaction.

    A process that was there before the move would otherwise go on writing to records that nobody reads any more.
    """

    def __init__(self, house: Path, settings: Settings) -> None:
        self._file = house / FILE
        self._house = house
        self._database = settings.records.database
        self._seen = self._look()

    def refuse_moved(self) -> None:
        """Raise `Unsafe` when the settings name another place for the records than the one that was opened."""
        now = self._look()
        if now == self._seen:
            return
        if load_settings(self._house).records.database != self._database:
            raise Unsafe("the records of this house have moved to another database; open the house again")
        self._seen = now

    def _look(self) -> tuple[int, int, int]:
        try:
            found = self._file.stat()
        except OSError:
            raise Unsafe(f"`{FILE}` of the open house cannot be read any more; nothing is served") from None
        return found.st_ino, found.st_mtime_ns, found.st_size


def write_letters_folder(house: Path, name: str = "letters", sender: str = "pacte <pacte@house.example>") -> None:
    """Have letters put into a folder of the house in place of being sent; for people who are invented."""
    with (house / FILE).open("a", encoding="utf-8") as file:
        file.write(LETTERS.format(folder=json.dumps(name), sender=json.dumps(sender)))


def write_keys(house: Path, keys: KeySettings) -> None:
    """Write into the settings of a new house where its keys are."""
    target = house / FILE
    target.write_text(
        _with_keys(target.read_text(encoding="utf-8"), keys.model_dump(exclude_defaults=True)), encoding="utf-8"
    )


def with_lock(house: Path, service: str, reference: str) -> str:
    """The settings of a house whose key file is locked in another way from now on, to be put in place whole.

    Raises `BadInput` where the file is written in a way that only its author should change.
    """
    before = (house / FILE).read_text(encoding="utf-8")
    changes = {"service": service} | ({"passphrase": reference} if reference else {})
    after = _with_keys(before, changes)
    if not reference:
        after = re.sub("^passphrase = ", "# passphrase = ", after, flags=re.MULTILINE)
    wanted = tomllib.loads(before)
    wanted["keys"] = {name: value for name, value in wanted.get("keys", {}).items() if name != "passphrase"} | changes
    try:
        written = tomllib.loads(after) == wanted
    except tomllib.TOMLDecodeError:
        written = False
    if not written:
        raise BadInput(
            f"{FILE}: under `[keys]`, `service` and `passphrase` must each stand on a line of their own, as `pacte "
            "init` writes them; mend that and ask again: nothing was changed"
        )
    return after


def _with_keys(words: str, found: Mapping[str, str]) -> str:
    lines = words.splitlines()
    if "[keys]" not in lines:  # written by hand before the house was made
        lines += ["", "[keys]", ""]
    start = lines.index("[keys]") + 1
    end = next((n for n in range(start, len(lines)) if lines[n].startswith("[")), len(lines))
    for name, value in found.items():
        of_name = re.compile(rf'(?:# )?{name} = "[^"]*"')
        there = [n for n in range(start, end) if of_name.match(lines[n])]
        at = next((n for n in there if not lines[n].startswith("#")), next(iter(there), None))
        setting = f"{name} = {json.dumps(value)}"
        if at is None:
            lines.insert(start + 1, setting)
            end += 1
        else:
            was = of_name.match(lines[at])
            lines[at] = setting + lines[at][was.end() if was else 0 :]
    return "\n".join(lines) + "\n"


def load_settings(house: Path) -> Settings:
    """Read the settings of a house; raises `BadInput` that names the key at fault and never its value."""
    try:
        found = tomllib.loads((house / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"`{FILE}` is missing from the house; was it made by `pacte init`?") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{FILE}: not readable as TOML ({error})") from None
    for name in ("language", "region"):
        value = os.environ.get(f"PACTE_{name.upper()}")
        if value is not None and (name != "language" or value in LANGUAGES):  # of several, the first that we speak
            found[name] = value
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        wrong = ", ".join(f"`{'.'.join(map(str, e['loc']))}` ({_mistake(e)})" for e in error.errors())
        raise BadInput(f"{FILE}: {wrong}") from None


def _mistake(found: ErrorDetails) -> str:
    """What is wrong at a key, without its value; for one that is not known, what was probably meant."""
    if found["type"] != "extra_forbidden":
        return found["msg"].lower()
    known: type[BaseModel] = Settings
    for step in found["loc"][:-1]:
        kind = known.model_fields[str(step)].annotation if str(step) in known.model_fields else None
        known = kind if isinstance(kind, type) and issubclass(kind, BaseModel) else WitnessSettings
    return "unknown key" + meant(str(found["loc"][-1]), known.model_fields)


def secret(reference: str) -> str:
    """The secret that `env:NAME` or `file:PATH` refers to; a secret written into the settings is refused."""
    scheme, _, name = reference.partition(":")
    if scheme == "env" and name:
        value = os.environ.get(name)
        if value is None:
            raise BadInput(f"the environment variable `{name}` that the settings refer to is not set")
        return value
    if scheme == "file" and name:
        try:
            return Path(name).read_text(encoding="utf-8").strip()
        except OSError:
            raise BadInput(f"the secret file `{name}` that the settings refer to cannot be read") from None
    raise BadInput("a secret must be a reference, `env:NAME` or `file:PATH`, never the secret itself")
