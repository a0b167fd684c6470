"""`message`: checked beside the policy in force, saved, listed, shown, looked at, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.cli.test_cli_commands import flat, pleasant
from tests.uses.test_uses_message_checks import GOOD, SERVICE


def written(folder: Path, text: str) -> Path:
    """A file with a message."""
    file = folder / "winter.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_message_goes_its_way(mine: Any, lang: str, tmp_path: Path) -> None:
    """Checked without a word, saved under a digest, shown as it reads, removed and kept."""
    file = written(tmp_path, GOOD)
    done = mine("message", "check", file, "--lang", lang)
    assert done.code == 0
    pleasant(done.out, lang)
    saved = mine("message", "save", file, "--json").json
    assert (saved["version"], saved["kind"], len(saved["digest"])) == (1, "promotion", 64)
    assert saved["digest"] in mine("message", "list", "--lang", lang).out
    shown = mine("message", "show", "winter", "--lang", lang)
    assert shown.code == 0
    assert "Camille" in shown.out
    assert {"en": "Unsubscribe", "fr": "Se désinscrire"}[lang] in shown.out
    files = mine("message", "preview", file, tmp_path / "pages", "--json").json["files"]
    assert [Path(one).name for one in files] == [f"winter-{one}" for one in ("en.html", "en.txt", "fr.html", "fr.txt")]
    assert "<h1>" in Path(files[0]).read_text(encoding="utf-8")
    assert mine("message", "remove", "winter", "--lang", lang).code == 0
    assert mine("message", "list", "--json").json == []
    assert mine("message", "remove", "winter").code == 4


def test_a_mistaken_field_is_answered_with_those_there_are(mine: Any, lang: str, tmp_path: Path) -> None:
    """The one that it was meant to be comes first; a name in place of a file is told how a saved one is read."""
    file = written(tmp_path, GOOD.replace("customers.first_name", "customers.firstname"))
    done = mine("message", "check", file, "--lang", lang)
    assert done.code == 2
    assert ": `customers.first_name`" in flat(done.out)
    lost = mine("message", "preview", "winter", tmp_path / "pages")
    assert lost.code == 4
    assert "pacte message show" in flat(lost.err)
    assert "pacte init" not in lost.err


def test_what_stops_a_message_is_said_with_its_line(mine: Any, lang: str, tmp_path: Path) -> None:
    """In the language asked for, with the article; nothing is saved."""
    file = written(tmp_path, SERVICE.replace("Il arrive mardi.", "Profitez de nos offres."))
    done = mine("message", "check", file, "--lang", lang)
    assert done.code == 2
    said = flat(done.out)
    assert "winter.yaml:13" in said
    assert "L34-5" in said
    assert {"en": "words of an offer", "fr": "ceux d’une offre"}[lang] in said
    assert mine("message", "check", file, "--json").json["findings"][0]["code"] == "words_of_an_offer"
    refused = mine("message", "save", file)
    assert refused.code == 2
    assert "winter.yaml:13" in refused.err
    assert mine("message", "save", written(tmp_path, "message: [")).code == 2
    assert mine("message", "show", "winter").code == 4
