"""`pacte receipt`: the file that a person keeps, and what `pacte verify` says of it."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any


def test_a_receipt_is_written_and_verifies(mine: Any, pacte: Any, tmp_path: Path, lang: str) -> None:
    """It is written where it is wanted, private, verifies without the house, and continues the one before."""
    person, files = mine.permitted[0], [tmp_path / "1.json", tmp_path / "2.json"]
    said = mine("receipt", person, "--purpose", "newsletter", "-o", files[0], "--lang", lang)
    assert str(files[0]) in said.out.replace("\n", "")
    told = mine("receipt", person, "--purpose", "newsletter", "-o", files[1], "--json").json
    assert told["receipt"] == str(files[1])
    assert stat.S_IMODE(files[1].stat().st_mode) == 0o600
    assert json.loads(files[0].read_bytes())["language"] == lang
    key = mine("ledger", "checkpoint", "--json").json["key"]
    for one, other in (files, files[::-1]):
        done = pacte("verify", one, "--key", key, "--checkpoint", other, "--lang", lang)
        assert (done.code, done.err) == (0, "")
        assert done.out.startswith("VERIFIES\n" if lang == "en" else "VÉRIFIÉ\n")
    files[0].write_bytes(files[0].read_bytes().replace(b"EXPLICIT", b"IMPLICIT"))
    assert pacte("verify", files[0], "--key", key).code == 7


def test_without_a_place_it_lies_in_the_house(mine: Any) -> None:
    """Without `--output` the receipt goes into a private folder of the house, by entry too."""
    first = mine("receipt", mine.permitted[1], "--json").json
    assert Path(first["receipt"]).parent == Path(mine.house) / "receipts"
    assert mine("receipt", mine.permitted[1], "--entry", first["entry"], "--json").json["entry"] == first["entry"]


def test_what_cannot_be_receipted_is_refused(mine: Any, tmp_path: Path) -> None:
    """Nobody of that name, an entry that is no choice of theirs, a folder that is not there: a message and its code."""
    assert mine("receipt", "key:nobody").code == 4
    assert mine("receipt", mine.permitted[0], "--entry", "0").code == 4
    assert mine("receipt", mine.permitted[0], "-o", tmp_path / "no" / "where.json").code == 2
