"""`segment`: saved from a file, listed, shown, counted funnel first, removed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_cli_commands import flat, pleasant

NEAR = "segment: near\npurpose: newsletter\nwho: {field: customers.country, in: [France]}\n"


def written(folder: Path, text: str) -> Path:
    """A file with a segment."""
    file = folder / "near.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def test_a_segment_goes_its_way(mine: Any, lang: str, tmp_path: Path) -> None:
    """Saved under a digest, said in words, counted without naming anybody, removed and kept."""
    saved = mine("segment", "save", written(tmp_path, NEAR), "--json").json
    assert (saved["version"], saved["purpose"], len(saved["digest"])) == (1, "newsletter", 64)
    assert mine("segment", "save", written(tmp_path, NEAR), "--json").json["version"] == 1
    shown = mine("segment", "list", "--lang", lang)
    pleasant(shown.out, lang)
    assert {"en": "country: France", "fr": "pays : France"}[lang] in shown.out.replace("\u202f", " ")
    counted = mine("segment", "size", "near", "--channel", "email", "--lang", lang)
    assert counted.code == 0
    funnel, reached = {"en": ("known", "May be reached"), "fr": ("connues", "Peuvent être contactées")}[lang]
    assert flat(counted.out).index(funnel) < flat(counted.out).index(reached)
    numbers = mine("segment", "size", "near", "--channel", "email", "--json").json
    assert numbers["funnel"]["everybody"] % 10 == 0
    assert all(people is None or people >= 50 for people in numbers["funnel"]["reasons"].values())
    assert mine("segment", "remove", "near").code == 0
    assert mine("segment", "list", "--json").json == []
    assert [one["version"] for one in mine("segment", "show", "near", "--json").json] == [1]
    assert mine("segment", "size", "near").code == 4


def test_few_people_are_no_number(mine: Any, lang: str, tmp_path: Path) -> None:
    """A combination that nobody meets is refused in words, with what to do."""
    nobody = NEAR.replace("customers.country, in: [France]", "customers.city, in: [Reykjavík]")
    mine("segment", "save", written(tmp_path, nobody))
    said = mine("segment", "size", "near", "--channel", "email", "--lang", lang)
    assert said.code == 0
    assert {"en": "nothing is shown", "fr": "rien n’est montré"}[lang] in flat(said.out)
    assert mine("segment", "size", "near", "--channel", "email", "--json").json["refused"] is True


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("segment: near\n", "`who` is missing"),
        ("[near]\n", "no segment"),
        (NEAR + "colour: red\n", "no `colour` here"),
        (NEAR.replace("newsletter", "newsleter"), "did you mean `newsletter`? (there is: `"),
        (NEAR.replace("near", "Near Us"), "small letters"),
        (NEAR.replace("customers.country", "customers.postcode"), "did you mean `customers.city`? (there is: `"),
        ("who: [", "near.yaml"),
    ],
)
def test_a_mistake_is_told(mine: Any, tmp_path: Path, text: str, said: str) -> None:
    """What is wrong in the file is said, and nothing is saved."""
    refused = mine("segment", "save", written(tmp_path, text))
    assert refused.code == 2
    assert said in flat(refused.err)
    assert mine("segment", "list", "--json").json == []


def test_a_file_that_is_not_there(mine: Any, tmp_path: Path) -> None:
    """Said, with its exit code."""
    assert mine("segment", "save", tmp_path / "none.yaml").code == 4
