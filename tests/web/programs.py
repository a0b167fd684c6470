"""Programs that call a shop's API: keys for them, and calls as one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pacte.app import apikeys
from pacte.app.apikeys import EVERY, SCOPES
from pacte.app.house import House
from tests.web.conftest import Site

PERSON = {"purpose": "newsletter", "channel": "email", "method": "web_form"}


def key_for(house: House, *scopes: str, bound: tuple[str, ...] = (EVERY,), **details: Any) -> str:
    """The secret of a new key with these scopes (all of them if none is named), for every purpose."""
    secret, _ = apikeys.new(house, "test", scopes or SCOPES, bound, **details)
    return secret


@dataclass
class Program:
    """One program with its key, before a shop's doors."""

    site: Site
    secret: str

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Call the API; header names with `_` for `-`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if self.secret:
            sent.setdefault("Authorization", f"Bearer {self.secret}")
        options = {} if body is None else {"json": body}
        return self.site.client.request(method, f"/api/v1{path}", headers=sent, follow_redirects=False, **options)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        """Send something."""
        return self.call("POST", path, body, **headers)

    def get(self, path: str, **headers: str) -> Any:
        """Read something."""
        return self.call("GET", path, **headers)


def program(site: Site, *scopes: str, **details: Any) -> Program:
    """A program with a new key."""
    return Program(site, key_for(site.house, *scopes, **details))
