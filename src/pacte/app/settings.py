"""Deployment settings: `settings.toml` in the house, overridden by `PACTE_*` variables; secrets only by reference.

What the company promises stands in the policy; what this installation needs stands here.
"""

from __future__ import annotations

import json
import os
import tomllib
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pacte.kernel.errors import BadInput

FILE = "settings.toml"

DEFAULTS = """\
# settings of this installation; what the company promises stands in policy.yaml
language = "{lang}"          # en or fr: words of the command line
region = "FR"            # how phone numbers without a country code are read (ISO 3166)
origin = {origin}
                         # the name of this house's log; part of every checkpoint, never changed

[keys]
service = "file"         # file: keys/kek.json beside the data (development); passphrase: see docs/how-to/keys.md
# passphrase = "env:PACTE_PASSPHRASE"   # or file:/run/secrets/pacte; needed when service = "passphrase"
"""


class KeySettings(BaseModel):
    """Where the key that wraps all other keys comes from."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    service: str = "file"
    passphrase: str = ""


class Settings(BaseModel):
    """The settings of one house. `origin` names its log in every checkpoint."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    language: str = "en"
    region: str = "FR"
    origin: str
    keys: KeySettings = KeySettings()


def write_defaults(house: Path, origin: str, lang: str) -> None:
    """Write the commented settings of a new house; an existing file is left alone."""
    target = house / FILE
    if not target.exists():
        target.write_text(DEFAULTS.format(origin=json.dumps(origin), lang=lang), encoding="utf-8")


def load_settings(house: Path) -> Settings:
    """Read the settings of a house; raises `BadInput` that names the key at fault and never its value."""
    try:
        found = tomllib.loads((house / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BadInput(f"`{FILE}` is missing from the house; was it made by `pacte init`?") from None
    except tomllib.TOMLDecodeError as error:
        raise BadInput(f"{FILE}: not readable as TOML ({error})") from None
    for name in ("language", "region"):
        if (value := os.environ.get(f"PACTE_{name.upper()}")) is not None:
            found[name] = value
    try:
        return Settings.model_validate(found)
    except ValidationError as error:
        wrong = ", ".join(f"`{'.'.join(map(str, e['loc']))}` ({e['msg'].lower()})" for e in error.errors())
        raise BadInput(f"{FILE}: {wrong}") from None


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
