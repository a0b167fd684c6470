"""Policies of real trades to start from, each with the mapping of its files and the schema for editors."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from pacte.app.house import MAPPING, POLICY
from pacte.kernel.errors import BadInput, named
from pacte.policy.mistakes import meant
from pacte.policy.schema import FILE, published

TEMPLATES = ("shop", "telecom", "bank", "health", "media", "b2b")
"""The trades, as `pacte init --template` names them."""
DEFAULT = "shop"
SCHEMA = FILE
"""What the schema is called in a house."""


def check_template(name: str) -> str:
    """Return the name of a template; raises `BadInput` for any other, with what was probably meant."""
    if name not in TEMPLATES:
        raise BadInput(f"no template {named(name)}{meant(name, TEMPLATES) or f'; expected one of {_LISTED}'}")
    return name


def policy_text(name: str = DEFAULT) -> str:
    """The policy of a template."""
    return _read("policy", name, POLICY).decode()


def write_template(directory: Path, name: str = DEFAULT) -> None:
    """Write the policy and the mapping of a template where they are not yet, and the schema beside them."""
    check_template(name)
    for room, file in (("policy", POLICY), ("intake", MAPPING)):
        if not (directory / file).exists():
            (directory / file).write_bytes(_read(room, name, file))
    (directory / SCHEMA).write_text(published(), encoding="utf-8")


_LISTED = ", ".join(f"`{name}`" for name in TEMPLATES)


def _read(room: str, name: str, file: str) -> bytes:
    return files(f"pacte.{room}").joinpath("templates", check_template(name), file).read_bytes()
