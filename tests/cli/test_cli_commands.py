"""Every command, in both languages and for programs."""

from __future__ import annotations

import csv
import json
import re
import socket
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pacte.kernel.instant import SECOND, to_iso
from pacte.ledger.entries import _FORMS

Said = tuple[Sequence[str], int, str, str]

# Commands that only look: what is typed, how it ends, and some words of it in English and French.
# PERMITTED, DENIED, USE and LOAD stand for those of the shop.
LOOKS: list[Said] = [
    (["may", "PERMITTED", "newsletter", "--channel", "email"], 0, "✓ Yes: this person’s data", "✓ Oui"),
    (["may", "DENIED", "newsletter", "--channel", "email"], 3, "✗ No: this person’s data", "✗ Non"),
    (["may", "PERMITTED", "newsletter", "--channel", "email", "-f", "customers.city"], 0, "GDPR, Art. 6(1)(a)", "RGPD"),
    (
        ["may", "key:nobody", "newsletter", "--channel", "email"],
        3,
        "nobody known here by this identifier",
        "personne inconnue ici",
    ),
    (["may", "PERMITTED", "newsleter"], 3, "Did you mean `newsletter`?", "Vouliez-vous dire « newsletter » ?"),
    (["may", "PERMITTED", "newsletter", "--channel", "e-mail"], 3, "declares: `email`, `sms`", "déclare : `email`"),
    (["may", "PERMITTED", "newsletter", "-f", "customers.citi"], 3, "mean `customers.city`", "« customers.city »"),
    (["audience", "newsletter", "--channel", "sms"], 0, "= permitted", "= autorisés"),
    (["explain", "PERMITTED", "newsletter", "--channel", "email"], 0, "It stands on entry", "repose sur l’écriture"),
    (["explain", "PERMITTED", "newsletter", "--at", "2020-01-01"], 0, "✗ No", "✗ Non"),
    (["replay", "USE", "PERMITTED"], 0, "is in the recorded set", "est dans l’ensemble inscrit"),
    (["replay", "USE", "DENIED"], 0, "is not in the recorded set", "n’est pas dans l’ensemble"),
    (["erase", "PERMITTED", "--dry-run"], 0, "This would be erased:", "Seraient effacés :"),
    (["doctor"], 0, "✓ policy.yaml is readable", "✓ policy.yaml est lisible"),
    (["ledger", "log", "-n", "300"], 0, "Data are used for “newsletter”", "Des données servent à « newsletter »"),
    (["ledger", "log", "--person", "PERMITTED"], 0, "says yes to “newsletter”", "dit oui à « newsletter »"),
    (["ledger", "check"], 0, "✓ The house is sound", "✓ La maison est saine"),
    (["ledger", "checkpoint"], 0, "pacte.example/house/", "pacte.example/house/"),
    (["publish"], 0, "in force already", "déjà en vigueur"),
]

# Commands that record something, in an order in which a house could see them.
ACTS: list[Said] = [
    (["choice", "refuse", "PERMITTED", "newsletter", "--channel", "sms"], 0, ": refused.", ": refus."),
    (["choice", "withdraw", "PERMITTED", "newsletter"], 0, "consent withdrawn", "consentement retiré"),
    (["choice", "object", "PERMITTED", "*", "--signal", "gpc", "--method", "signal"], 0, "objection", "opposition"),
    (["choice", "object", "PERMITTED", "*", "--lift"], 0, "the objection stays", "l’opposition demeure"),
    (["choice", "restrict", "PERMITTED"], 0, "processing restricted", "traitement limité"),
    (["choice", "restrict", "PERMITTED", "--lift", "--authenticated"], 0, "restriction lifted.", "limitation levée."),
    (["choice", "give", "PERMITTED", "newsletter"], 0, "counts only as long", "ne compte que"),
    (
        ["choice", "give", "PERMITTED", "newsletter", "--voice", "guardian", "--authenticated"],
        0,
        "consent given",
        "consentement donné",
    ),
    (["choice", "import", "CHOICES"], 0, "607 were here already", "607 étaient déjà là"),
    (["load", "ORDERS"], 0, "were here already, unchanged", "étaient déjà là, inchangées"),
    (["load", "LEGACY"], 0, "1 row set aside: a person", "1 ligne mise de côté : une personne"),
    (["stop", "newsletter", "--reason", "incident-12"], 0, "Stopped: newsletter", "Arrêté : newsletter"),
    (["stop", "*"], 0, "Stopped: everything", "Arrêté : tout"),
    (["stop", "*", "--lift"], 0, "Stop lifted: everything", "Arrêt levé : tout"),
    (["erase", "PERMITTED", "--yes"], 0, "Sealed evidence of past uses", "Les éléments de preuve scellés"),
    (["erase", "--end-evidence"], 0, "evidence of 0 people", "preuve de 0 personne "),
]


def spelt(shop: Any, arguments: Sequence[str]) -> list[str]:
    """The arguments with the shop's own people, uses and files in them."""
    names = {"PERMITTED": shop.permitted[0], "DENIED": shop.denied, "USE": shop.use, "LOAD": shop.load_with_rejects}
    files = {"CHOICES": "choices.csv", "ORDERS": "orders.parquet", "LEGACY": "legacy_list.csv"}
    names |= {name: str(shop.files / file) for name, file in files.items()}
    return [names.get(argument, argument) for argument in arguments]


def flat(words: str) -> str:
    """What was said, in one line and with plain spaces."""
    return re.sub(r"[\s\u202f]+", " ", words)


def pleasant(words: str, lang: str) -> None:
    """Nothing is wider than the terminal but what must not be broken, and French is set as French."""
    for line in words.splitlines():
        assert len(line) <= 80 or "`" in line or "— " in line, line
        if lang == "fr":
            assert not re.search(r"[^\W\d] [;:!?»]|« ", line), line
    assert "Traceback" not in words
    assert "{" not in words


@pytest.mark.parametrize(("arguments", "code", "english", "french"), LOOKS, ids=range(len(LOOKS)))
def test_commands_that_look(
    shop: Any, lang: str, arguments: Sequence[str], code: int, english: str, french: str
) -> None:
    """A command that looks says its words in the language asked for, and the same to a program as JSON."""
    done = shop(*spelt(shop, arguments), "--lang", lang)
    assert (done.code, done.err) == (code, "")
    assert (english if lang == "en" else french) in flat(done.out)
    pleasant(done.out, lang)
    told = shop(*spelt(shop, arguments), "--lang", lang, "--json")
    assert (told.code, told.err) == (code, "")
    assert told.json


def test_compact(mine: Any, lang: str) -> None:
    """Tidying says in words what was done, for programs the same numbers, and may be asked for twice."""
    said = mine("compact", "--lang", lang)
    assert (said.code, said.err) == (0, "")
    assert {"en": "Files put together: ", "fr": "Fichiers réunis : "}[lang] in flat(said.out)
    pleasant(said.out, lang)
    told = mine("compact", "--json").json
    assert set(told) == {"gathered", "written", "unlinked", "folded"}


@pytest.mark.parametrize("as_json", [False, True])
def test_commands_that_record(mine: Any, lang: str, as_json: bool) -> None:
    """A command that records says where, in the language asked for or as JSON, and the house stays sound."""
    for arguments, code, english, french in ACTS:
        done = mine(*spelt(mine, arguments), "--lang", lang, *(["--json"] if as_json else []))
        assert (done.code, done.err) == (code, ""), arguments
        if as_json:
            assert isinstance(done.json, dict | list)
        else:
            assert (english if lang == "en" else french) in flat(done.out), (arguments, done.out)
            pleasant(done.out, lang)


def test_init(pacte: Any, tmp_path: Path, lang: str) -> None:
    """A new house has its two files, speaks the language it was made in, and names its own log."""
    done = pacte("init", tmp_path / "a", "--lang", lang, "--origin", "shop.example/log")
    assert done.code == 0
    pleasant(done.out.replace(str(tmp_path), "…"), lang)
    assert {"policy.yaml", "mapping.yaml", "settings.toml"} <= {path.name for path in (tmp_path / "a").iterdir()}
    assert pacte("ledger", "checkpoint", "-H", tmp_path / "a").out.startswith("shop.example/log\n1\n")
    assert f'language = "{lang}"' in (tmp_path / "a" / "settings.toml").read_text(encoding="utf-8")
    told = pacte("init", tmp_path / "b", "--json").json
    assert told == {
        "house": str(tmp_path / "b"),
        "template": "shop",
        "policy": "policy.yaml",
        "mapping": "mapping.yaml",
        "schema": "policy.schema.json",
    }


def test_the_house_s_language_is_spoken(mine: Any) -> None:
    """Without `--lang` the house's own language is spoken, before the environment's; `PACTE_LANGUAGE` goes first."""
    settings = mine.house / "settings.toml"
    settings.write_text(settings.read_text().replace('language = "en"', 'language = "fr"'))
    assert "La maison est saine" in mine("ledger", "check", LC_ALL="en_US.UTF-8").out
    assert "The house is sound" in mine("ledger", "check", PACTE_LANGUAGE="en").out


def test_publish_once_more(mine: Any, lang: str) -> None:
    """A changed policy is put in force and says its entry; the same one again changes nothing."""
    policy = mine.house / "policy.yaml"
    policy.write_text(policy.read_text() + "\n# reviewed\n")
    assert ("is in force" if lang == "en" else "est en vigueur") in mine("publish", "--lang", lang).out
    told = mine("publish", "--json").json
    assert told["changed"] is False


def test_rejected_rows(mine: Any, tmp_path: Path, lang: str) -> None:
    """Rows that were set aside are written readable by their owner only, and counted."""
    target = tmp_path / "rows.jsonl"
    done = mine("rejected", mine.load_with_rejects, "-o", target, "--lang", lang)
    assert ("1 row written" if lang == "en" else "1 ligne écrite") in done.out
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert json.loads(target.read_text())["reason"] == "unknown_person"
    assert mine("rejected", mine.load_with_rejects, "-o", target, "--json").json["rows"] == 1


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_audience_written(mine: Any, tmp_path: Path, suffix: str) -> None:
    """The table holds the permitted people under pseudonyms, with the columns asked for, readable by its owner only."""
    target = tmp_path / f"out.{suffix}"
    target.touch(mode=0o644)
    told = mine("audience", "newsletter", "--channel", "email", "-c", "customers.city", "-o", target, "--json").json
    assert told["permitted"] == told["counts"]["permitted"]
    assert sum(told["counts"].values()) == told["candidates"] == 300
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    if suffix == "csv":
        rows = list(csv.DictReader(target.open(encoding="utf-8")))
        assert len(rows) == told["permitted"]
        assert list(rows[0]) == ["pseudonym", "customers.city"]


def test_a_withdrawal_is_seen_by_the_next_decision(mine: Any) -> None:
    """Given, withdrawn, given again: each decision knows the choice before it."""
    person = mine.permitted[0]
    before = mine("audience", "newsletter", "--channel", "email", "--json").json["permitted"]
    assert mine("choice", "withdraw", person, "newsletter").code == 0
    assert mine("may", person, "newsletter", "--channel", "email", "--json").json["reason"] == "withdrawn"
    assert mine("audience", "newsletter", "--channel", "email", "--json").json["permitted"] == before - 1
    given = ["--grade", "form", "--notice", "web-2024", "--authenticated", "--method", "web_form"]
    assert mine("choice", "give", person, "newsletter", *given).code == 0
    assert mine("may", person, "newsletter", "--channel", "email").code == 0


def test_two_answers_where_they_differ(mine: Any, lang: str) -> None:
    """A withdrawal that comes late gives two answers, and names the use in between."""
    person = mine.permitted[0]
    used = mine("replay", mine.use, person, "--json").json["by_known"]["as_of"]
    effective = to_iso(used - SECOND)
    assert mine("choice", "withdraw", person, "newsletter", "--method", "paper", "--effective", effective).code == 0
    done = mine("replay", mine.use, person, "--lang", lang)
    words = flat(done.out)
    assert ("By what was known then:" if lang == "en" else "Selon ce qui était connu alors :") in words
    assert ("In between, the data were used" if lang == "en" else "Entre-temps, les données ont servi") in words
    told = mine("replay", mine.use, person, "--json").json
    assert (told["differ"], told["by_known"]["permitted"], told["by_true"]["permitted"]) == (True, True, False)
    assert told["between"]


def test_erase_asks_once_more(mine: Any, lang: str) -> None:
    """Without `--yes` the erasure is shown and asked for; only a clear yes goes on."""
    person = mine.permitted[0]
    for answer in ("", "n\n", "x\n"):
        done = mine("erase", person, "--lang", lang, answer=answer)
        assert done.code == 1
        assert ("Nothing was erased." if lang == "en" else "Rien n’a été effacé.") in done.out
    assert mine("erase", person, "--lang", lang, answer="y\n" if lang == "en" else "oui\n").code == 0
    assert mine("may", person, "newsletter").code == 3


def test_prove_and_verify(mine: Any, pacte: Any, tmp_path: Path, lang: str) -> None:
    """A proof is written with its exhibit, verifies without the house, and fails when a byte of it is changed."""
    person = mine.permitted[0]
    told = mine("prove", person, "--use", mine.use, "-o", tmp_path / "out", "--lang", lang, "--json").json
    assert (told["in_set"], told["matches"]) == (True, True)
    proof, page = Path(told["proof"]), Path(told["exhibit"])
    assert page.name.endswith(f".{lang}.html")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (proof, page)} == {0o600}
    key = mine("ledger", "checkpoint", "--json").json["key"]
    outside = ("--key", key, "--anchors", mine.house / "anchors.log", "--lang", lang)
    done = pacte("verify", proof, *outside)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("VERIFIES\n" if lang == "en" else "VÉRIFIÉ\n")
    assert ("this person IS in it" if lang == "en" else "EN FAIT PARTIE") in flat(done.out)
    pleasant(done.out, lang)
    assert len(done.out.splitlines()) < 40
    full = pacte("verify", proof, *outside, "--details").out
    assert len(full) > 2 * len(done.out)
    report = pacte("verify", proof, *outside, "--json").json
    assert report["ok"] is True
    assert report["shows"]
    assert report["summary"]["entries"]
    proof.write_bytes(proof.read_bytes().replace(b"newsletter", b"newslettre", 1))
    bad = pacte("verify", proof, *outside)
    assert bad.code == 7
    assert bad.out.startswith("DOES NOT VERIFY\n" if lang == "en" else "NON VÉRIFIÉ\n")
    assert ("the seal of the file" if lang == "en" else "le sceau du fichier") in flat(bad.out)
    assert pacte("verify", proof, *outside, "--json").json["summary"]["failed"]


def test_prove_by_day(mine: Any, lang: str) -> None:
    """The use may be named by its purpose and day; for somebody whom it left out, the message says what to do."""
    day = mine("explain", mine.permitted[0], "newsletter", "--json").json["by_known"]["as_of"]
    on = ("--purpose", "newsletter", "--on", to_iso(day)[:10])
    first = mine("prove", mine.permitted[0], *on, "--lang", lang).out.splitlines()[0]
    assert re.match("Proof: /" if lang == "en" else "Preuve\u202f: /", first)
    assert Path(first.partition(": ")[2]).is_file()
    refusal = mine("prove", mine.denied, *on)
    assert refusal.code == 4
    assert "`--use ID`" in refusal.err
    absent = mine("prove", mine.denied, "--use", mine.use, "--json").json
    assert (absent["in_set"], absent["matches"]) == (False, True)
    later = [mine("audience", "newsletter", "--channel", "email", "--json").json["use"] for _ in range(2)]
    said = flat(mine("prove", mine.permitted[0], *on, "--lang", lang).out)
    assert {"en": "the last use of that day", "fr": "le dernier usage de ce jour"}[lang] + f", {later[1]}" in said
    assert later[0] in said
    told = mine("prove", mine.permitted[0], *on, "--json").json
    assert (told["use"], later[0]) == (later[1], told["others"][0]["use"])


def test_export_and_verify(mine: Any, pacte: Any, tmp_path: Path, lang: str) -> None:
    """An export verifies against a checkpoint that was kept, and not after a line was taken out."""
    kept, export = tmp_path / "kept.txt", tmp_path / "export.jsonl"
    kept.write_text(mine("ledger", "checkpoint").out, encoding="utf-8")
    done = mine("ledger", "export", export, "--lang", lang)
    assert ("keep them safe" if lang == "en" else "gardez-les en lieu sûr") in flat(done.out)
    pleasant(done.out.replace(str(tmp_path), "…"), lang)
    assert stat.S_IMODE(export.stat().st_mode) == 0o600
    verified = pacte("verify", export, "--checkpoint", kept, "--lang", lang)
    assert verified.code == 0
    assert ("an earlier checkpoint of" if lang == "en" else "un point de contrôle antérieur de") in flat(verified.out)
    assert ("! The key was not given" if lang == "en" else "! La clé n’a pas été fournie") in flat(verified.out)
    pleasant(verified.out, lang)
    lines = export.read_bytes().splitlines(keepends=True)
    export.write_bytes(b"".join(lines[:5] + lines[6:]))
    assert pacte("verify", export, "--checkpoint", kept).code == 7


def test_checkpoint_is_what_it_prints(shop: Any) -> None:
    """The checkpoint is printed as it must be kept, byte for byte; the key comes with `--json`."""
    told = shop("ledger", "checkpoint", "--json").json
    assert shop("ledger", "checkpoint").out == told["checkpoint"]
    assert told["key"].startswith("pacte.example/house/")


def test_every_kind_of_entry_has_words(shop: Any) -> None:
    """Every kind of entry, act and step can be told in both languages."""
    from pacte.kernel.i18n import catalogue

    known = catalogue("app")
    acted = {
        **dict.fromkeys(("segment", "message"), ("saved", "removed")),
        "campaign": ("started", "held", "resumed", "stopped", "ended"),
        "suppressed": ("added", "lifted"),
        "export": ("made", "collected", "ended"),
        "list": ("entered", "told", "refused"),
    }
    for kind in set(_FORMS) - {"choice", "erasure", "keys", "staff", *acted}:
        assert f"entry.{kind}" in known
    for kind, acts in acted.items():
        assert all(f"entry.{kind}.{act}" in known for act in acts)
    for act in ("given", "refused", "withdrawn", "objected", "objection_lifted", "restricted", "restriction_lifted"):
        assert f"entry.choice.{act}" in known
    for step in ("restricted", "done", "evidence_ended"):
        assert f"entry.erasure.{step}" in known
    for step in ("rotated", "ended"):
        assert f"entry.keys.{step}" in known
    for act in ("joined", "role", "left"):
        assert f"entry.staff.{act}" in known


def test_what_people_write_is_looked_at_by_the_doctor(mine: Any, lang: str) -> None:
    """A mistake in the draft of the policy, or in the mapping, is a warning: what is in force goes on deciding."""
    for name, code in (("policy.yaml", "policy_unreadable"), ("mapping.yaml", "mapping_unreadable")):
        whole = (mine.house / name).read_text(encoding="utf-8")
        (mine.house / name).write_text(whole + "\nsurprise: 1\n", encoding="utf-8")
        told = mine("doctor", "--json")
        assert told.code == 0
        assert {finding["level"] for finding in told.json if finding["code"] == code} == {"warning"}
        said = mine("doctor", "--lang", lang)
        assert re.search(rf"{name}:\d+: ", flat(said.out))
        (mine.house / name).write_text(whole, encoding="utf-8")
    assert {"policy_readable", "mapping_readable"} <= {finding["code"] for finding in mine("doctor", "--json").json}


def test_a_port_in_use_is_named(mine: Any) -> None:
    """The port, and what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = mine("ledger", "serve", "--port", str(taken.getsockname()[1]))
    assert done.code == 2
    assert "is in use by another program; choose another with `--port`" in flat(done.err)


def test_a_version_that_is_not_there_is_not_asked_about(mine: Any) -> None:
    """Nobody is asked whether to destroy what does not exist."""
    done = mine("keys", "end", "7")
    assert done.code not in (0, 1)
    assert "--yes" not in done.err


def test_a_slip_in_the_settings_is_named(mine: Any) -> None:
    """An unknown key says what was probably meant; a language that pacte does not speak is refused."""
    target = mine.house / "settings.toml"
    whole = target.read_text(encoding="utf-8")
    target.write_text(whole.replace("[keys]", '[keys]\nfoldr = "x"'), encoding="utf-8")
    assert "`keys.foldr` (unknown key; did you mean `folder`?)" in flat(mine("doctor").err)
    target.write_text(re.sub("^language = .*$", 'language = "de"', whole, flags=re.MULTILINE), encoding="utf-8")
    said = flat(mine("doctor").err)
    assert "`language`" in said
    assert "'en' or 'fr'" in said
    target.write_text(whole, encoding="utf-8")


def test_the_tables_are_headed_in_the_language(mine: Any) -> None:
    """`sql --tables` has French heads; another table than there is is answered with those that there are."""
    about = ("--use", "newsletter", "--channel", "email")
    assert mine("sql", "--tables", *about, "--lang", "fr").out.split()[:3] == ["table", "colonne", "type"]
    done = mine("sql", "SELECT * FROM nothing", *about)
    assert "there are the tables `customers`, " in flat(done.err)
    assert "sqlite_master" not in done.err
