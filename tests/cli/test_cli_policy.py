"""`policy check|diff|publish|schema`, `publish`, `rules`, and the words of `explain`, in both languages and as JSON."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any

import pytest

from pacte.app.house import POLICY
from pacte.kernel.instant import DAY, Instant
from tests.cli.test_cli_commands import flat, pleasant

LAST = Instant(1_735_776_000_000_000)
"""2 January 2025."""
STRICTER = ("minimum_grade: form", "minimum_grade: double_opt_in")


def edit(shop: Any, *changes: tuple[str, str]) -> Path:
    """Edit the policy of a shop and publish nothing; returns the file."""
    file: Path = shop.house / POLICY
    text = file.read_text(encoding="utf-8")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")
    return file


def test_a_sound_policy_is_said_to_be_sound(shop: Any, lang: str) -> None:
    """Without mistakes: how many purposes under which laws, then what could be better, with file, line and mend."""
    done = shop("policy", "check", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    assert ("No mistake: 9 purposes, under GDPR" if lang == "en" else "Aucune erreur : 9 finalités, sous RGPD") in flat(
        done.out
    )
    pleasant(done.out, lang)
    told = shop("policy", "check", "--json").json
    assert set(told) == {"file", "policy", "laws", "findings", "notices"}
    assert all({"file", "line", "level", "code", "words"} <= one.keys() for one in told["findings"])


def test_mistakes_are_told_all_at_once(pacte: Any, tmp_path: Path) -> None:
    """A file with mistakes ends with exit code 2 and one line for each; no house is needed."""
    file = tmp_path / "draft.yaml"
    file.write_text("pacte: 1\npurposes: {}\n", encoding="utf-8")
    done = pacte("policy", "check", file)
    assert (done.code, done.out) == (2, "")
    assert len(re.findall(r"^✗ draft\.yaml:\d+: ", done.err, re.M)) > 1
    assert pacte("policy", "check", file, "--json").error["exit_code"] == 2
    assert pacte("policy", "check", tmp_path / "none.yaml").code == 4


def test_strict_refuses_risks(mine: Any, pacte: Any, tmp_path: Path) -> None:
    """With `--strict`, a purpose that the law stops, or a risk, ends with the exit code of a mistake."""
    levels = {one["level"] for one in mine("policy", "check", "--json").json["findings"]}
    assert mine("policy", "check", "--strict").code == (2 if levels - {"advice"} else 0)
    text = edit(mine, STRICTER).read_text(encoding="utf-8")
    # Nobody was ever told of statistics: that purpose can have nobody.
    lines = [line for line in text.splitlines() if not re.match(r" {6}statistics: \[", line)]
    draft = tmp_path / "draft.yaml"
    draft.write_text("\n".join(lines) + "\n", encoding="utf-8")
    told = pacte("policy", "check", draft, "--json").json["findings"]
    assert any(one["level"] == "stops" and one["purpose"] == "statistics" for one in told)
    assert [pacte("policy", "check", draft, *more).code for more in ([], ["--strict"])] == [0, 2]
    # In the house that recorded those notices it cannot be published.
    assert mine("policy", "check", draft).code == 2


def test_differences_are_told_in_words(mine: Any, lang: str) -> None:
    """Against the policy in force, against a file, or between two digests; the same policy has none."""
    nothing = {"en": "Nothing changes for anybody.", "fr": "Rien ne change pour personne."}
    assert nothing[lang] in flat(mine("policy", "diff", "--lang", lang).out)
    before = mine("policy", "diff", "--json").json["old"]
    edit(mine, STRICTER)
    done = mine("policy", "diff", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    asked = {"en": "People must be asked again:", "fr": "Les personnes doivent être sollicitées de nouveau :"}
    assert asked[lang] in flat(done.out)
    pleasant(done.out, lang)
    changes = mine("policy", "diff", before[:8], mine.house / POLICY, "--json").json["changes"]
    assert changes
    assert all({"what", "kind", "effect", "words"} == set(one) - {"details"} for one in changes)
    assert mine("policy", "diff", "abc").code == 2
    assert mine("policy", "diff", "0" * 12).code == 4


def test_the_schema_is_printed(pacte: Any) -> None:
    """An editor reads it; it is one JSON value."""
    assert pacte("policy", "schema").json["$schema"] == "https://json-schema.org/draft/2020-12/schema"


@pytest.mark.parametrize("command", [["publish"], ["policy", "publish"]])
def test_publishing_says_what_was_advised(mine: Any, lang: str, command: list[str], tmp_path: Path) -> None:
    """Where nobody was asked the command says so; with advice it says which, and never publishes for the officer."""
    edit(mine, STRICTER)
    silent = mine(*command, "--lang", lang)
    said = {"en": "was not sought, and that is recorded", "fr": "n’a pas été demandé, et cela est inscrit"}
    assert said[lang] in flat(silent.out)
    pleasant(silent.out, lang)
    (tmp_path / "advice.txt").write_text("With reservations about the newsletter.\n", encoding="utf-8")
    with_advice = mine(*command, "--advice", "reserved", "--advice-file", tmp_path / "advice.txt", "--lang", lang)
    assert {"en": "with reservations", "fr": "réservé"}[lang] in flat(with_advice.out)
    assert mine(*command, "--json").json["advice"] == "reserved"
    log = flat(mine("ledger", "log", "-n", "1", "--lang", lang).out)
    assert {"en": "advice of the data protection officer", "fr": "avis du délégué"}[lang] in log
    for wrong in (
        ["--by", "dpo"],
        ["--by", "DPO"],
        ["--by", "dpo:1", "--effective", "nonsense"],
        ["--advice", "favourable", "--advised-by", "owner"],
    ):
        refused = mine(*command, *wrong)
        assert (refused.code, "Art. 38(6)" in refused.err) == (2, True)


def test_a_policy_of_a_day_to_come_is_announced(mine: Any, lang: str) -> None:
    """It says from when, and that the one in force binds until then."""
    edit(mine, STRICTER)
    done = mine("publish", "--effective", "2099-01-01", "--lang", lang)
    assert {"en": "it takes effect on 1 Jan 2099", "fr": "elle prend effet le 1 janv. 2099"}[lang] in flat(done.out)
    assert mine("publish", "--effective", "2020-01-01").code == 2
    assert "takes effect" in flat(mine("ledger", "log", "-n", "1").out)


def test_a_preview_in_words(mine: Any, lang: str) -> None:
    """One headline per purpose: how many come and go, which uses stop, who must be asked; nothing is published."""
    edit(mine, STRICTER)
    done = mine("policy", "publish", "--preview", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    headline = {
        "en": r"! newsletter: −\d+ people;[^!]* \d+ must be asked again",
        "fr": r"! newsletter : −\d+ personnes ;[^!]* \d+ sont à solliciter de nouveau",
    }
    assert re.search(headline[lang], flat(done.out))
    assert {"en": "Nothing was published.", "fr": "Rien n’a été publié."}[lang] in flat(done.out)
    pleasant(done.out, lang)
    told = mine("policy", "publish", "--preview", "--days", "7", "--json").json
    assert told["purposes"]["newsletter"]["reasons"].keys() == {"proof_too_weak"}
    assert "policy" not in {one["entry"]["kind"] for one in mine("ledger", "log", "-n", "3", "--json").json}


def test_a_preview_of_uses_that_stop(mine: Any, lang: str) -> None:
    """The uses that would stop are named by their entries, with why; the headline counts them."""
    edit(
        mine,
        ("channels: [email, sms]                 # a", "channels: [sms]  # a"),
        ("purposes: {newsletter: [email]}", "purposes: {newsletter: [sms]}"),
        ("    over: 15\n", "      customers.phone: {fr: Votre mobile, en: Your mobile number}\n    over: 15\n"),
        ("      newsletter: [email, sms]\n", "      newsletter: [sms]\n"),
    )
    said = flat(mine("policy", "publish", "--preview", "--lang", lang).out)
    why = {"en": "1 use stops, entry", "fr": "1 usage s’arrête, écriture"}
    gone = {"en": "its channel is no longer declared", "fr": "son canal n’est plus déclaré"}
    assert why[lang] in said
    assert gone[lang] in said


def test_a_preview_without_uses(pacte: Any, tmp_path: Path, lang: str) -> None:
    """Where nothing was used, there is nothing to replay, and it says so; a period of no day is refused."""
    assert pacte("init", tmp_path).code == 0
    said = flat(pacte("publish", "--preview", "-H", tmp_path, "--lang", lang).out)
    assert {"en": "No use was recorded in the last 30 days", "fr": "Aucun usage n’a été inscrit depuis 30 jours"}[
        lang
    ] in said
    assert pacte("publish", "--preview", "--days", "0", "-H", tmp_path).code == 2


def test_rules_of_a_purpose(shop: Any, lang: str) -> None:
    """Each rule in its order: what it says, its article, since when, that counsel has not checked it, what if not."""
    done = shop("rules", "newsletter", "--lang", lang)
    assert (done.code, done.err) == (0, "")
    said = flat(done.out)
    for words in {
        "en": ["No rule was checked by counsel yet", "(house:stopped, ", "GDPR, Art. 7(1) · since 25 May 2018"],
        "fr": ["Aucune règle n’a encore été vérifiée", "(house:stopped, ", "RGPD, art. 7(1) · depuis le 25 mai 2018"],
    }[lang]:
        assert words in said
    assert {"en": "Not met: said yes, then withdrew", "fr": "Non respectée : a dit oui, puis"}[lang] in said
    pleasant(done.out, lang)
    stop = {"en": "1. A stop has effect at once.", "fr": "1. Un arrêt a effet immédiatement."}[lang]
    assert stop not in said
    assert stop in flat(shop("rules", "newsletter", "--all", "--lang", lang).out)
    assert "--file policy.yaml" in shop("rules", "--pack", "mars").err


def test_rules_of_all_purposes_and_of_one_pack(shop: Any, lang: str) -> None:
    """Each rule once with the purposes that have it; what the policy settles is said in words."""
    done = shop("rules", "--pack", "gdpr", "--lang", lang)
    pleasant(done.out, lang)
    said = flat(done.out)
    assert {"en": "For: every purpose.", "fr": "Pour : toutes les finalités."}[lang] in said
    assert {
        "en": "Settled by the policy, met for everybody: similar_offers",
        "fr": "Réglée par la politique, respectée",
    }[lang] in said
    assert "house:" not in said


def test_rules_for_programs(shop: Any) -> None:
    """The same as JSON: per purpose, in order, and of a file that is not published too."""
    told = shop("rules", "newsletter", "--json").json
    listed = told["purposes"]["newsletter"]
    assert [one["order"] for one in listed] == list(range(1, len(listed) + 1))
    assert {"en", "fr"} == set(listed[0]["says"])
    assert {one["settled"] for one in listed} <= {True, False, None}
    filed = shop("rules", "newsletter", "--file", shop.house / POLICY, "--json").json
    assert filed == told
    assert shop("rules", "newsleter").code == 4
    assert shop("rules", "--pack", "mars").code == 4
    assert shop("rules", "--at", "2020-01-01").code == 3
    assert shop("rules", "--at", "2020-01-01", "--file", shop.house / POLICY).code == 2


def test_a_refusal_is_explained_to_its_end(mine: Any, lang: str) -> None:
    """Article, since when, source, the rule in a sentence, that it is unchecked; no rule that a new yes would meet."""
    person = mine.permitted[0]
    assert mine("choice", "withdraw", person, "newsletter").code == 0
    done = mine("explain", person, "newsletter", "--channel", "email", "--lang", lang)
    said = flat(done.out)
    for words in {
        "en": [
            "Because: said yes, then withdrew (GDPR, Art. 7(3)).",
            "The rule: A consent may be withdrawn at any time, and the use ends.",
            "In force since 25 May 2018: Regulation (EU) 2016/679.",
            "Counsel has not checked this reading of the law yet.",
        ],
        "fr": [
            "Motif : a dit oui, puis a retiré son accord (RGPD, art. 7(3)).",
            "La règle : Le consentement peut être retiré à tout moment, et l’usage cesse.",
            "En vigueur depuis le 25 mai 2018 : règlement (UE) 2016/679.",
            "Cette lecture de la loi n’a pas encore été vérifiée par un juriste.",
        ],
    }[lang]:
        assert words in said
    assert {"en": "Nor are these rules met", "fr": "non plus"}[lang] not in said
    assert said.count("withdrawn at any time") <= 1
    pleasant(done.out, lang)


def test_a_notice_recorded_otherwise_is_said_before_publishing(mine: Any, lang: str) -> None:
    """`check`, `diff` and `--preview` say with its line what publishing refuses."""
    edit(mine, ("effective: 2024-01-15", "effective: 2020-01-15"))
    for command in (["check"], ["diff"], ["publish", "--preview"]):
        done = mine("policy", *command, "--lang", lang)
        assert re.search(r"✗ policy\.yaml:\d+: notice `.*` was recorded with other `effective`", flat(done.out))
        assert done.code == (2 if command == ["check"] else 0)
        assert len(mine("policy", *command, "--json").json["notices"]) == 2
    assert mine("policy", "publish").code == 2


def test_laws_come_last_and_their_rules_on_demand(mine: Any, lang: str) -> None:
    """One line for a law; `--details` names its rules; a policy that was to come and is called back is named."""
    text = (mine.house / POLICY).read_text(encoding="utf-8")
    laws = next(line for line in text.splitlines() if line.startswith("laws:"))
    edit(mine, (laws, laws.replace("]", ", us-coppa]")), STRICTER)
    short, full = (flat(mine("policy", "diff", *more, "--lang", lang).out) for more in ([], ["--details"]))
    line = {
        "en": r"COPPA: \d+ rules begin for \d+ of the purposes",
        "fr": r"COPPA : \d+ règles commencent",
    }
    assert re.search(line[lang], short)
    assert "us-coppa:" not in short
    assert "`us-coppa:" in full
    assert mine("publish", "--effective", "2099-01-01").code == 0
    (mine.house / POLICY).write_text(text, encoding="utf-8")
    back = mine("publish", "--lang", lang)
    assert {"en": "is called back", "fr": "est rappelée"}[lang] in flat(back.out)


def test_a_preview_names_the_last_use_before_its_days(mine: Any, lang: str) -> None:
    """Where the period has no use, it says when data were last used and how many days reach it."""
    from pacte.app.preview import Preview
    from pacte.cli.preview import show_preview

    show = {"en": "Data were last used on 2 January 2025: try `--days 41`.", "fr": "essayez `--days 41`"}
    found = Preview("0" * 64, 30, Instant(0), (), (), Instant(LAST + 40 * DAY), LAST)
    with contextlib.redirect_stdout(io.StringIO()) as out:
        show_preview(found, lang)
    assert show[lang] in flat(out.getvalue())
