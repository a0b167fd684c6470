"""Proof files: what verifies, what it says, and that nothing else verifies."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from pacte import verifier
from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.ids import SubjectId
from pacte.ledger import membership, proof


def test_the_proof_says_what_it_shows(story: Any) -> None:
    """The report tells promise, choices and uses with presence and absence, in order, and what stays unshown."""
    report = verifier.verify_bytes(story.proof())
    assert report.ok, report.problems
    words = "\n".join(report.shows)
    assert "what it promises" in words
    assert "Entry #3, 2026-05-03 10:02:00 UTC: a choice of this person was recorded" in words
    assert "choice: given" in words
    assert "effective: 2026-05-03 10:00:00 UTC" in words
    assert "undated" in words  # the withdrawal
    assert "IS among the 2 members of the set sealed in use #5" in words
    assert "is NOT among the 1 members of the set sealed in use #8".upper() in words.upper()
    assert "#3 (choice), #5 (use), #7 (choice), #8 (use); all of them before the checkpoint of size 9" in words
    assert "person.place = FR" in words
    assert "clock then stood back" in words
    unshown = "\n".join(report.does_not_show)
    for part in ("rewritten from its beginning", "nothing was left out", "true in the world", "Who the person", "time"):
        assert part in unshown


def test_the_report_speaks_french(story: Any) -> None:
    """The same in French, with nothing of it left in English."""
    report = verifier.verify_bytes(story.proof(), lang="fr")
    words = "\n".join(report.shows)
    assert "Cette personne EST parmi les 2 membres" in words
    assert "un choix de cette personne a été enregistré" in words
    assert "choix\u202f: donné" in words
    assert "Que rien n’a été omis" in "\n".join(report.does_not_show)
    english = verifier.verify_bytes(story.proof())
    assert not set(report.shows + report.does_not_show) & set(english.shows + english.does_not_show)


def test_every_message_has_both_languages() -> None:
    """Every message and label exists in both languages with the same parameters."""
    for english, french in [*verifier._WORDS.values(), *verifier._LABELS.values()]:
        assert english
        assert french
        assert set(re.findall(r"{\w+}", english)) == set(re.findall(r"{\w+}", french))


@pytest.mark.parametrize("pattern", [0x01, 0x80])
def test_every_flipped_byte_is_found(story: Any, pattern: int) -> None:
    """A proof with any one byte changed does not verify, wherever the byte is."""
    data = story.proof()
    for position in range(len(data)):
        changed = bytearray(data)
        changed[position] ^= pattern
        assert not verifier.verify_bytes(bytes(changed)).ok, position


def test_every_cut_and_addition_is_found(story: Any) -> None:
    """A proof cut anywhere, or with something added, does not verify."""
    data = story.proof()
    assert not any(verifier.verify_bytes(data[:end]).ok for end in range(0, len(data), 7))
    for changed in (
        data[:-1],
        data + b"\n",
        b" " + data,
        data + data,
        b"\xef\xbb\xbf" + data,
        data.replace(b"\n", b"\r\n"),
    ):
        assert not verifier.verify_bytes(changed).ok


def test_another_spelling_of_the_same_content_is_refused(story: Any) -> None:
    """The same document in another spelling (compact, escaped, other order) is refused."""
    document = json.loads(story.proof())
    for spelling in (
        json.dumps(document),
        json.dumps(document, indent=1),
        json.dumps(document, indent=2, sort_keys=True),
    ):
        assert not verifier.verify_bytes(spelling.encode() + b"\n").ok


# What a dishonest house could seal itself: each of these is signed with the log's own key and must still fail.


def drop_path(document: Any) -> None:
    document["membership"][0]["path"].pop()


def lie_about_membership(document: Any) -> None:
    document["membership"][0]["result"] = "absent"


def remove_a_value(document: Any) -> None:
    document["membership"][0].update(values=[], result="absent")


def swap_members(document: Any) -> None:
    first, second = document["membership"]
    first["use"], second["use"] = second["use"], first["use"]


def repeat_membership(document: Any) -> None:
    document["membership"].append(document["membership"][0])


def change_an_entry(document: Any) -> None:
    document["entries"][3]["entry"]["act"] = "refused"


def change_a_time(document: Any) -> None:
    document["entries"][3]["entry"]["at"] += 1


def change_a_salt(document: Any) -> None:
    document["entries"][3]["salt"] = "0" * 32


def move_an_entry(document: Any) -> None:
    document["entries"][3]["index"] = 4


def reorder_entries(document: Any) -> None:
    document["entries"].reverse()


def swap_entries(document: Any) -> None:
    a, b = document["entries"][3], document["entries"][5]
    a["entry"], b["entry"] = b["entry"], a["entry"]


def repeat_an_entry(document: Any) -> None:
    document["entries"].insert(4, document["entries"][3])


def change_the_facts(document: Any) -> None:
    document["facts"][0]["facts"]["person.place"] = "CA-QC"


def change_the_nonce(document: Any) -> None:
    document["facts"][0]["nonce"] = "0" * 64


def move_the_facts(document: Any) -> None:
    document["facts"][0]["index"] = 3


def change_the_rules(document: Any) -> None:
    document["rules"][0]["decider"] = "pacte 2"


def attach_other_rules(document: Any) -> None:
    document["rules"].append({"v": 1})


def change_the_subject(document: Any) -> None:
    document["subject"] = "b" * 32


def change_the_size(document: Any) -> None:
    document["checkpoint"] = document["checkpoint"].replace("\n9\n", "\n10\n")


def empty_the_checkpoint(document: Any) -> None:
    document["checkpoint"] = ""


def cut_a_path(document: Any) -> None:
    document["entries"][3]["tlog_proof"] = document["entries"][3]["tlog_proof"].replace("index 3\n", "index 3\nAAAA\n")


def change_the_format(document: Any) -> None:
    document["format"] = "pacte-proof/2"


def add_a_field(document: Any) -> None:
    document["note"] = "trust me"


def add_an_entry_field(document: Any) -> None:
    document["entries"][0]["entry"]["note"] = "trust me"


def unknown_kind(document: Any) -> None:
    document["entries"][0]["entry"]["kind"] = "promise"


def change_a_consistency_size(document: Any) -> None:
    document["consistency"][0]["size"] = 99


FORGERIES = [
    drop_path,
    lie_about_membership,
    remove_a_value,
    swap_members,
    repeat_membership,
    change_an_entry,
    change_a_time,
    change_a_salt,
    move_an_entry,
    reorder_entries,
    swap_entries,
    repeat_an_entry,
    change_the_facts,
    change_the_nonce,
    move_the_facts,
    change_the_rules,
    attach_other_rules,
    change_the_subject,
    change_the_size,
    empty_the_checkpoint,
    cut_a_path,
    change_the_format,
    add_a_field,
    add_an_entry_field,
    unknown_kind,
    change_a_consistency_size,
]


@pytest.mark.parametrize("forge", FORGERIES, ids=lambda f: f.__name__)
def test_what_the_house_itself_cannot_forge(story: Any, forge: Callable[[Any], None]) -> None:
    """A changed document fails even when the log's own key seals it again."""
    document = json.loads(story.proof())
    forge(document)
    report = verifier.verify_bytes(reseal(story, document))
    assert not report.ok
    assert report.shows == ()
    assert report.problems
    assert not report.problems[0].startswith("The seal")


def test_resealing_itself_is_not_what_fails(story: Any) -> None:
    """The forgeries fail for what they change: the same document, sealed again, verifies."""
    document = json.loads(story.proof())
    assert reseal(story, copy.deepcopy(document)) == story.proof()


def test_the_known_key(story: Any, resigned: Any) -> None:
    """With the key as published a proof under another key fails; without it the report says what is not shown."""
    assert verifier.verify_bytes(story.proof(), key=story.signer.vkey).ok
    assert not verifier.verify_bytes(resigned.proof(), key=story.signer.vkey).ok
    alone = verifier.verify_bytes(resigned.proof())
    assert alone.ok
    assert "nothing kept elsewhere was given" in alone.does_not_show[0]
    assert "rewrite the log" in verifier.verify_bytes(story.proof(), key=story.signer.vkey).does_not_show[0]
    assert not verifier.verify_bytes(story.proof(), key="no key").ok


def test_an_earlier_checkpoint(story: Any, rewritten: Any, resigned: Any) -> None:
    """Against a checkpoint kept earlier, a proof from a rewritten or re-signed log fails."""
    kept = story.checkpoints[3]
    report = verifier.verify_bytes(story.proof(), checkpoints=[kept])
    assert report.ok, report.problems
    assert any("checkpoint of 3 entries that you kept" in line for line in report.shows)
    assert not verifier.verify_bytes(resigned.proof(), checkpoints=[kept]).ok
    kept = story.checkpoints[5]  # this one covers Ada's choice, which the rewritten log tells differently
    assert verifier.verify_bytes(story.proof(since=[5]), checkpoints=[kept]).ok
    report = verifier.verify_bytes(rewritten.proof(since=[5]), checkpoints=[kept])
    assert "rewritten" in report.problems[0]
    assert not verifier.verify_bytes(rewritten.proof(), checkpoints=[story.checkpoints[9]]).ok


def test_a_checkpoint_that_cannot_be_compared(story: Any) -> None:
    """A checkpoint to which the proof holds no path, or that is no checkpoint, is a failure and not passed over."""
    assert "ask for a proof" in verifier.verify_bytes(story.proof(), checkpoints=[story.checkpoints[5]]).problems[0]
    for bad in ("", "x", b"\xff", story.checkpoints[3][:-2], "\ud800"):
        assert not verifier.verify_bytes(story.proof(), checkpoints=[bad]).ok


def test_anchors(story: Any, rewritten: Any) -> None:
    """Against the anchors a rewritten log fails; a torn last line is said, a broken or an empty file fails."""
    report = verifier.verify_bytes(story.proof(), anchors=story.anchors)
    assert report.ok, report.problems
    assert any("anchor of 9 entries noted at" in line for line in report.shows)
    assert not verifier.verify_bytes(rewritten.proof(since=[3, 5]), anchors=story.anchors).ok
    torn = verifier.verify_bytes(story.proof(since=[8]), anchors=story.anchors[:-5])
    assert torn.ok, torn.problems
    assert any("cut short" in line for line in torn.does_not_show)
    zeros = story.anchors[:-90] + bytes(80) + story.anchors[-10:]  # a block of the last line never came to the disk
    assert verifier.verify_bytes(story.proof(since=[8]), anchors=zeros) == torn
    for bad in (b"", b"x\n", story.anchors.replace(b'"size":5', b'"size":6')):
        assert not verifier.verify_bytes(story.proof(), anchors=bad).ok
    first = story.anchors.split(b"\n")[1] + b"\n"  # of 5 entries: no path in this proof
    assert not verifier.verify_bytes(story.proof(), anchors=first).ok
    assert verifier.verify_bytes(story.proof(since=[5]), anchors=first).ok


def test_what_is_left_out_is_said(story: Any) -> None:
    """Without membership, rules and openings the report says what is not shown."""
    report = verifier.verify_bytes(story.proof(membership=[], rules=[], facts=[], since=[], answers=[]))
    assert report.ok
    unshown = "\n".join(report.does_not_show)
    assert "was among those of use #5" in unshown
    assert "rules of use #5" in unshown
    assert "facts committed to in entry #2" in unshown


def test_terminals_are_not_played_with(story: Any) -> None:
    """What the house writes into a proof cannot send control characters to the reader's terminal."""
    facts = proof.FactOpening(2, b"n" * 32, {"person.place": "FR", "person.age": "adult"})
    report = verifier.verify_bytes(story.proof(facts=[facts], answers=["\x1b[2J"]))
    assert report.ok
    assert "\x1b" not in "".join(report.shows)
    assert "\x1b" not in verifier._printable("\x1b[2Jx\u202e")


def test_the_writer_refuses_what_does_not_belong(story: Any) -> None:
    """A proof about Ada cannot be made with Bob's entries, a stranger's set, false facts or sizes beyond the log."""
    stranger = membership.build(story.sets[0].use, b"z" * 16)
    with pytest.raises(BadInput, match="somebody else"):
        story.proof(entries=(0, 4))
    with pytest.raises(BadInput, match="membership"):
        story.proof(membership=[membership.prove(stranger, SubjectId("a" * 32))])
    with pytest.raises(BadInput, match="facts"):
        story.proof(facts=[proof.FactOpening(2, b"x" * 32, {})])
    with pytest.raises(BadInput, match="size"):
        story.proof(since=[10])
    with pytest.raises(NotFound):
        story.proof(entries=(99,))


def reseal(story: Any, document: dict[str, Any]) -> bytes:
    """The document as the holder of the log's key could seal it, whatever is in it."""
    bare = {name: value for name, value in document.items() if name != "seal"}
    return proof.pretty({**bare, "seal": proof.seal(bare, story.signer)})
