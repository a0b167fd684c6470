"""`pacte migrate` and `pacte move`, as somebody types them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pacte.app.formats import FORMAT
from pacte.app.house import open_house
from pacte.testing.postgres import Server
from tests.app.older import clock, lay_out
from tests.cli.conftest import Done, Shop, ok


def test_an_old_house_is_refused_and_migrated(pacte: Callable[..., Done], tmp_path: Path) -> None:
    """Every command says what to run; it asks for a copy first, and a second time there is nothing to do."""
    home = lay_out(tmp_path / "house")
    refused = pacte("doctor", "--house", home)
    assert refused.code != 0
    assert "run `pacte migrate`" in refused.err
    asked = pacte("migrate", home, answer="n\n")
    assert asked.code == 1
    assert "copy it to a safe place" in asked.out
    assert "Nothing was changed." in asked.out
    assert "Rien n’a été changé." in pacte("migrate", home, "--lang", "fr", answer="n\n").out
    assert "with `--yes`" in pacte("migrate", home, "--json").error["error"]
    assert pacte("migrate", home, answer="y\n").code == 0
    assert pacte("migrate", home, "--json", "--yes").json == {"before": FORMAT, "after": FORMAT}
    with open_house(home, clock=clock()) as house:
        assert house.check() == []


def test_a_house_moves_and_says_so(
    mine: Shop, pacte: Callable[..., Done], postgres: Server, tmp_path: Path, lang: str
) -> None:
    """In both languages: how many rows, the root, and what is left; afterwards every command goes on."""
    secret = tmp_path / "address"
    secret.write_text(postgres.database(), encoding="utf-8")
    before = mine("ledger", "checkpoint").out
    refused = pacte("move", mine.house, "--to", f"file:{secret}", "--lang", lang, answer="n\n")
    assert refused.code == 1
    assert {"en": "Nothing was changed", "fr": "Rien n’a été changé"}[lang] in refused.out
    assert "with `--yes`" in pacte("move", mine.house, "--to", f"file:{secret}", "--json").error["error"]
    assert not (mine.house / "records.db.moved").exists()
    done = ok("move", mine.house, "--to", f"file:{secret}", "--yes", "--lang", lang)
    assert {"en": "read back and equal", "fr": "relues et identiques"}[lang] in " ".join(done.out.split())
    assert "records.db.moved" in done.out
    assert {"en": "the only way back is the copy", "fr": "seule la copie d’avant"}[lang] in " ".join(done.out.split())
    (tmp_path / "other").write_text(postgres.database(), encoding="utf-8")
    elsewhere = pacte("move", mine.house, "--to", f"file:{tmp_path / 'other'}")
    assert (elsewhere.code, "go with `pg_dump`" in " ".join(elsewhere.err.split())) == (2, True)
    assert mine("ledger", "checkpoint").out == before
    assert {"en": "already", "fr": "déjà"}[lang] in ok("move", mine.house, "--to", f"file:{secret}", "--lang", lang).out
    assert "records_left" in {finding["code"] for finding in mine("doctor", "--json").json}
    assert mine("may", mine.permitted[0], "newsletter", "--channel", "email").code == 0


@pytest.mark.parametrize(
    ("to", "words"),
    [
        ("env:NOWHERE", "`NOWHERE`"),
        ("postgresql://shop:secret@localhost/shop", "holds a password"),
        ("records2.db", "`postgresql://name@host/database`"),
        ("", "say where the records go"),
        ("postgresql://shop@127.0.0.1:1/shop", "nothing answers"),
    ],
)
def test_where_it_cannot_move(mine: Shop, pacte: Callable[..., Done], to: str, words: str) -> None:
    """The old records go on serving, and no password is repeated."""
    done = pacte("move", mine.house, "--to", to, "--yes")
    assert done.code != 0
    assert words in " ".join(done.err.split())
    assert "secret" not in done.out + done.err
    assert mine("doctor", "--json").code == 0


def test_where_no_house_stands_nothing_moves(pacte: Callable[..., Done], tmp_path: Path) -> None:
    """The same words as of every other command, before anything is asked."""
    for command in (["move", tmp_path / "nowhere", "--to", "env:NOWHERE"], ["migrate", tmp_path / "nowhere"]):
        done = pacte(*command)
        assert done.code == 4
        assert "no house stands in" in done.err
        assert f"`pacte {command[0]} DIR`" in " ".join(done.err.split())
