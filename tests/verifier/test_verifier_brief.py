"""The short report: what a person reads first."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pacte import verifier
from pacte.kernel.instant import add_years
from pacte.ledger import proof

KNOWN: dict[str, Any] = {"answer": "by_known", "permitted": 1, "reason": "permitted", "known": 5, "rules": "9" * 64}
TRUE: dict[str, Any] = {**KNOWN, "answer": "by_true", "known": 9, "article": "Art. 7(3)", "entry": 7}
QUESTION = {"purpose": "newsletter", "use": f"{1:032x}"}


def flat(*parts: Any) -> str:
    """What is said, in one line and with plain spaces."""
    return re.sub(
        r"[\s\u202f]+", " ", " | ".join(part if isinstance(part, str) else " | ".join(part) for part in parts)
    )


def brief(story: Any, lang: str = "en", **more: Any) -> verifier.Summary:
    """The summary of the story's proof, compared with everything that was kept."""
    report = verifier.verify_bytes(story.proof(**more), key=story.signer.vkey, anchors=story.anchors, lang=lang)
    assert report.ok, report.problems
    return report.summary


def test_a_line_per_entry_in_plain_words(story: Any) -> None:
    """Each entry is one line: number, recorded day, what it says; whether this person is in the set stands out."""
    summary = brief(story, question=QUESTION, answers=[KNOWN, {**TRUE, "permitted": 0, "reason": "withdrawn"}])
    assert summary.entries == (
        "#0 · 3 May 2026 · the log begins",
        "#1 · 3 May 2026 · a policy takes effect; its rules are in this file",
        summary.entries[2],
        "#3 · 3 May 2026 · the person said yes to newsletter by e-mail (effective 3 May 2026, 10:00:00, proof: form)",
        "#5 · 3 May 2026 · data used for newsletter by e-mail: a set of 2 people; this person IS in it",
        summary.entries[5],
        summary.entries[6],
    )
    assert summary.entries[2].startswith("#2 · 3 May 2026 · facts about the person: adult, place FR")
    assert summary.entries[5].startswith(
        "#7 · 3 May 2026 · the person withdrew the consent to newsletter by e-mail (undated"
    )
    assert "a set of 1 person; this person IS NOT in it" in summary.entries[6]
    assert "the house’s clock stood back at" in flat(summary.entries)


def test_one_line_for_all_that_was_compared(story: Any) -> None:
    """Log and key in one line, every anchor and checkpoint compared in another, with how many and the latest day."""
    report = verifier.verify_bytes(
        story.proof(since=[3, 5]),
        checkpoints=[story.checkpoints[3]],
        key=story.signer.vkey,
        anchors=story.anchors,
    )
    person, log, compared = report.summary.heading
    assert "a" * 32 in person
    assert "pacte.example/house/test" in log
    assert "(the one you know)" in log
    assert "9 entries" in log
    assert re.search(r"\d anchors, the latest of 3 May 2026 and an earlier checkpoint of 3 entries", compared)
    assert report.summary.warnings == ()


def test_the_house_s_answers(story: Any) -> None:
    """One answer where both are the same; both where they differ, with the reason in words."""
    assert brief(story, answers=[KNOWN, TRUE]).answers == (
        "The house’s signed answer, by what was known then and by what was true then: PERMITTED.",
    )
    denied = {**TRUE, "permitted": 0, "reason": "withdrawn"}
    known, true = brief(story, answers=[KNOWN, denied]).answers
    assert known.endswith("by what was known then: PERMITTED.")
    assert "DENIED because the person had withdrawn (Art. 7(3), it stands on #7)" in true
    french = flat(brief(story, "fr", answers=[KNOWN, denied]).answers)
    assert "REFUSÉ car la personne avait retiré son consentement (art. 7(3), fondé sur #7)" in french
    basis = flat(brief(story, "fr", answers=[{**KNOWN, "article": "Art. 6(1)(a)"}, denied]).answers)
    assert "AUTORISÉ (RGPD, art. 6(1)(a))" in basis
    odd = brief(story, answers=["anything", 7]).answers
    assert odd == ("The file holds 2 answer(s) of the house; it signed them and they are its word.",)


def test_an_answer_that_contradicts_the_set_is_said(story: Any) -> None:
    """A house that answers yes for somebody whom its set does not hold, or the other way round, is contradicted."""
    denied = [{**one, "permitted": 0, "reason": "refused"} for one in (KNOWN, TRUE)]
    assert brief(story, question=QUESTION, answers=[KNOWN, TRUE]).warnings == ()
    assert "contradicts the set" in flat(brief(story, question=QUESTION, answers=denied).warnings)
    second = {**QUESTION, "use": f"{2:032x}"}
    assert "contradicts the set" in flat(brief(story, question=second, answers=[KNOWN, TRUE]).warnings)


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_what_was_not_given_is_one_warning(story: Any, lang: str) -> None:
    """Without key or earlier checkpoint one line says so, and what to give; with both there is none."""
    kept: dict[str, dict[str, Any]] = {
        "nothing": {},
        "key": {"key": story.signer.vkey},
        "checkpoint": {"checkpoints": [story.checkpoints[3]]},
        "both": {"key": story.signer.vkey, "checkpoints": [story.checkpoints[3]]},
    }
    warned = {
        name: verifier.verify_bytes(story.proof(), lang=lang, **given).summary.warnings for name, given in kept.items()
    }
    assert {name: len(lines) for name, lines in warned.items()} == {"nothing": 1, "key": 1, "checkpoint": 1, "both": 0}
    assert "--key" in warned["nothing"][0]
    assert "--anchors" in warned["nothing"][0]
    assert "--key" not in warned["key"][0]
    assert "--key" in warned["checkpoint"][0]


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_no_digest_and_no_raw_instant(story: Any, lang: str) -> None:
    """The summary holds no microseconds and no digest but the person's identifier and the key's; French is set so."""
    summary = brief(story, lang, question=QUESTION, answers=[KNOWN, TRUE])
    for line in (*summary.heading[1:], *summary.entries, *summary.answers, *summary.does_not_show):
        assert not re.search(r"\d{10,}|[0-9a-f]{16,}", line), line
        assert lang == "en" or not re.search(r"[^\W\d] [;:!?»]|« ", line), line
    english = brief(story, question=QUESTION, answers=[KNOWN, TRUE])
    assert lang == "en" or not set(summary.entries) & set(english.entries)


def test_facts_in_words(story: Any) -> None:
    """Instants among the facts are days, codes are words."""
    say = verifier._Words("en")
    until = add_years(story.clock, 3)
    facts = {"age": "minor", "minor_until": until, "capacity": "former", "place": "CA-QC", "guardian": "b" * 32}
    assert verifier._plain_facts(say, {**facts, "shoe": 43, "contract_since": until}) == (
        "former customer, contract since 3 May 2029, guardian bbbbbbbb…, minor until 3 May 2029, place CA-QC, shoe: 43"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("act", "use"),
        ("act", "entry"),
        ("channel", "channel"),
        ("voice", "x"),
        ("grade", "\x1b[2J"),
        ("purpose", "{x}"),
    ],
)
def test_odd_words_in_a_choice(story: Any, name: str, value: str) -> None:
    """Words that the house should never have written are shown as they are, and harm nobody."""
    entry = {**json.loads(story.proof())["entries"][3]["entry"], name: value}
    told = verifier._plainly(verifier._Words("fr"), entry, None, None, set())
    assert told
    assert "\x1b" not in told


def test_odd_reasons(story: Any) -> None:
    """A reason that is not in the closed list is shown as it is."""
    odd = [{**one, "permitted": 0, "reason": reason} for one in (KNOWN, TRUE) for reason in ("other",)]
    assert "for the reason `other`" in flat(brief(story, answers=odd).answers)


def test_failing_parts_are_named(story: Any) -> None:
    """What fails is named by its part: form, seal, entries, set, facts, rules, checkpoint, or what was kept."""

    def failed(change: Any) -> str:
        document = json.loads(story.proof())
        change(document)
        bare = {name: value for name, value in document.items() if name != "seal"}
        sealed = proof.pretty({**bare, "seal": proof.seal(bare, story.signer)})
        return flat([*verifier.verify_bytes(sealed).summary.failed])

    assert "the form of the file" in flat(verifier.verify_bytes(b"nothing").summary.failed)
    assert "the seal" in flat(verifier.verify_bytes(story.proof().replace(b"newsletter", b"newslettre")).summary.failed)
    assert failed(lambda d: d["entries"].reverse()) == "the entries"
    assert failed(lambda d: d["membership"][0]["path"].pop()) == "the set of a use"
    assert failed(lambda d: d["facts"][0].update(nonce="0" * 64)) == "the facts"
    assert failed(lambda d: d["rules"].append({})) == "the rules"
    assert failed(lambda d: d.update(checkpoint="")) == "the signed checkpoint"
    other = verifier.verify_bytes(story.proof(), checkpoints=["x"], key="y").summary.failed
    assert other == ("the key", "the comparison with what was kept elsewhere")


def test_every_problem_belongs_to_a_part() -> None:
    """Every problem that the verifier can find names a part, and every part has words."""
    source = Path(verifier.__file__).read_text(encoding="utf-8")
    found = set(re.findall(r'(?:_refuse|problem)\(\s*"(\w+)"', source)) | {"form_keys", "checkpoint"}
    assert found <= set(verifier._PARTS)
    assert {f"part_{part}" for part in verifier._PARTS.values()} <= set(verifier._WORDS)


@pytest.mark.parametrize(("lang", "title"), [("en", "DOES NOT VERIFY"), ("fr", "NON VÉRIFIÉ")])
def test_as_printed(story: Any, tmp_path: Path, lang: str, title: str) -> None:
    """Printed, the report fits the terminal and has no colours in a pipe; a failure is its first line."""
    (tmp_path / "proof.json").write_bytes(story.proof(question=QUESTION, answers=[KNOWN, TRUE]))
    (tmp_path / "bad.json").write_bytes(story.proof().replace(b"newsletter", b"newslettre"))

    def run(*arguments: str) -> tuple[int, str]:
        command = [sys.executable, "-I", verifier.__file__, *arguments, "--lang", lang]
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False, env={"COLUMNS": "80"}
        )
        return done.returncode, done.stdout

    code, short = run("proof.json", "--anchors", str(story.path / "anchors.log"), "--key", story.signer.vkey)
    assert code == 0
    assert max(map(len, short.splitlines())) <= 80
    assert len(short.splitlines()) <= 32
    assert "\x1b" not in short
    code, full = run("proof.json", "--details")
    assert code == 0
    report = verifier.verify_bytes((tmp_path / "proof.json").read_bytes(), lang=lang)
    for part in (*report.shows, *report.does_not_show):
        assert flat([part]) in flat([full])
    code, failure = run("bad.json")
    assert code == 7
    assert failure.splitlines()[0] == title
    assert ("the seal of the file" if lang == "en" else "le sceau du fichier") in flat([failure])


def test_an_export_in_brief(story: Any) -> None:
    """An export is summed up by its size, its days, and what kinds of entries it holds."""
    summary = verifier.verify_bytes(story.export(), checkpoints=story.checkpoints.values()).summary
    assert "9 entries, the readable ones from 3 May 2026 to 3 May 2026" in summary.entries[0]
    assert "choices 3" in summary.entries[1]
    assert "earlier checkpoints" in summary.heading[1]
