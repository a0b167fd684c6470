"""Forms from the command line: kept, listed, saved."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from tests.cli.test_cli_commands import flat


def test_what_forms_show_is_kept_listed_and_saved(mine: Any, lang: str, tmp_path: Path) -> None:
    """Each form in each language; what is saved has the digest that is listed; without a browser that is said."""
    assert mine("forms", "publish", "--json").json == {"forms": 8, "pictures": 0, "missing": 8, "browser": False}
    assert "Chromium" in mine("forms", "publish", "--lang", lang).out
    listed = mine("forms", "list", "--json").json
    assert len(listed) == 8
    digest = listed[0]["digest"]
    assert digest in mine("forms", "list", "--lang", lang).out
    (name,) = mine("forms", "save", digest[:12], str(tmp_path / "new" / "folder"), "--json").json["files"]
    assert hashlib.sha256(Path(name).read_bytes()).hexdigest() == digest
    saved = flat(mine("forms", "save", digest, str(tmp_path), "--lang", lang).out)
    assert Path(name).name in saved
    for nothing in ("0" * 12, "newsletter"):
        assert mine("forms", "save", nothing, str(tmp_path)).code != 0
