"""`pacte bounce`: reports as files; what is none, and what was read already, says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.testing.world import world
from tests.cli.conftest import ok, pacte

REPORT = """From: MAILER-DAEMON@mx.example
To: bounces@shop.example
Content-Type: multipart/report; report-type=delivery-status; boundary="B"

--B
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example

Final-Recipient: rfc822; ada@post.example
Action: failed
Status: 5.1.1

--B--
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A house with nobody in it."""
    world(tmp_path / "house").house.close()
    return tmp_path / "house"


def test_what_changed_nothing_says_why(home: Path, tmp_path: Path) -> None:
    """A report of nobody here counts once; read again, or no report at all, is named as that, in both languages."""
    report, letter = tmp_path / "report.eml", tmp_path / "letter.eml"
    report.write_text(REPORT.replace("\n", "\r\n"), encoding="utf-8")
    letter.write_text("message: winter\n", encoding="utf-8")
    first = ok("bounce", report, "-H", home, "--json").json
    assert (first["unmatched"], first["no_report"], first["nothing_new"]) == (1, 0, 0)
    again = ok("bounce", report, letter, "-H", home, "--lang", "en").out
    assert "1 file is no report" in again
    assert "read already" in again
    assert "no’s" not in again
    assert "n’est pas un rapport" in ok("bounce", letter, "-H", home, "--lang", "fr").out


def test_a_file_that_is_not_there_is_named_once(home: Path, tmp_path: Path) -> None:
    """Its name stands in backticks, and in one pair of them."""
    done = pacte("bounce", tmp_path / "none.eml", "-H", home)
    assert done.code != 0
    assert "none.eml` cannot be read" in done.err
    assert "``" not in done.err
