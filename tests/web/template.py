"""The shop that the tests of the doors begin with: made once, copied for each of them, on SQLite or on PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pacte.app.house import open_house
from pacte.app.settings import FILE
from pacte.testing.postgres import Server
from pacte.testing.shop import TODAY, Shop, shop
from pacte.testing.world import TestClock


@dataclass(frozen=True)
class Template:
    """A shop's closed house: where it is, who is known there, and the server and address of its records, if any."""

    made: Shop
    server: Server | None
    database: str

    @contextmanager
    def open(self, home: Path, settings: str = "") -> Iterator[Shop]:
        """Copy the house into `home`, add to its settings, and open it as it was at the end of its making."""
        shutil.copytree(self.made.house.path, home)
        words = (home / FILE).read_text(encoding="utf-8") + settings
        if self.server:
            words = words.replace(self.database, self.server.database(template=self.database))
        (home / FILE).write_text(words, encoding="utf-8")
        clock = TestClock(TODAY)
        with open_house(home, clock=clock) as house:
            yield replace(self.made, house=house, clock=clock)


def made(folder: Path, server: Server | None) -> Template:
    """Make the house in a folder."""
    database = server.database() if server else ""
    found = shop(folder / "house", folder / "files", database=database)
    found.house.close()
    return Template(found, server, database)
