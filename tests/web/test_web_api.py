"""The API: keys and their bounds, choices once and together, decisions with reasons, uses, receipts, problems."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pacte import verifier
from pacte.app import apikeys, forms
from pacte.app.ask import UseOfOne
from pacte.app.choose import choose
from pacte.app.committer import Verb
from pacte.app.house import House
from pacte.app.settings import WebhookSettings
from pacte.app.stop import stop
from pacte.kernel import db
from pacte.kernel.errors import BadInput, NotFound, Unsafe
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant, to_iso
from pacte.ledger import log
from tests.web.conftest import Site
from tests.web.programs import PERSON, key_for, program

PROBLEM = "application/problem+json"


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    """The problem that an answer is, of this status and code."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, PROBLEM), answer.text
    said: dict[str, Any] = answer.json()
    assert (said["type"], said["status"]) == (f"/api/problems/{code}", status)
    return said


def of_kind(site: Site, kind: str) -> list[dict[str, Any]]:
    """The entries of a kind."""
    with site.house.reading() as conn:
        return [dict(entry) for _, entry in log.of_kind(conn, kind)]


def test_a_key_is_shown_once_and_recorded_without_its_secret(site: Site) -> None:
    """The records hold a digest; the ledger holds the public name, scopes and purposes; revoking ends it at once."""
    secret, key = apikeys.new(site.house, "shop-site", ["decisions:read", "choices:write"], ["newsletter"])
    with db.read(site.house.engine) as conn:
        assert secret.rpartition("_")[2] not in str(db.fetch(conn, "SELECT * FROM api_key"))
    (entry,) = of_kind(site, "api_key")
    assert (entry["key"], entry["act"], entry["bound"]) == (key.id, "made", ["newsletter"])
    assert entry["scopes"] == ["choices:write", "decisions:read"]
    caller = program(site)
    caller.secret = secret
    assert caller.get("/key").json()["purposes"] == ["newsletter"]
    assert [one.used for one in apikeys.listed(site.house) if one.id == key.id] == [site.clock()]
    apikeys.revoke(site.house, key.id[:8])
    refused(caller.get("/key"), 401, "unauthorised")
    assert [one["act"] for one in of_kind(site, "api_key") if one["key"] == key.id] == ["made", "revoked"]
    assert site.house.check() == []


@pytest.mark.parametrize(
    ("label", "scopes", "bound", "rate"),
    [
        ("ada lovelace", ["choices:write"], ["*"], 10),
        ("site", ["everything"], ["*"], 10),
        ("site", [], ["*"], 10),
        ("site", ["choices:write"], ["nothing"], 10),
        ("site", ["choices:write"], ["house:rights"], 10),
        ("site", ["choices:write"], [], 10),
        ("site", ["choices:write"], ["*"], 0),
    ],
)
def test_a_key_that_makes_no_sense_is_refused(
    site: Site, label: str, scopes: list[str], bound: list[str], rate: int
) -> None:
    """Of a person's name, of no scope, of an unknown purpose, of no calls."""
    with pytest.raises(BadInput):
        apikeys.new(site.house, label, scopes, bound, rate=rate)
    assert apikeys.listed(site.house) == []


def test_a_key_ends_on_its_day(site: Site) -> None:
    """It opens until its last moment and nothing afterwards; one that would have ended is not made."""
    caller = program(site, expires=Instant(site.clock() + DAY))
    assert caller.get("/key").status_code == 200
    site.clock.forward(1)
    refused(caller.get("/key"), 401, "unauthorised")
    with pytest.raises(BadInput, match="ended already"):
        key_for(site.house, expires=site.clock())
    with pytest.raises(NotFound):
        apikeys.revoke(site.house, "0" * 32)


@pytest.mark.parametrize("secret", ["", "pacte_", "pacte_" + "0" * 32 + "_" + "a" * 43, "Basic", "\u00e9", "x" * 5000])
def test_a_wrong_key_opens_nothing(site: Site, secret: str) -> None:
    """Whatever it looks like; after thirty wrong ones in a minute the address has to wait."""
    caller = program(site)
    caller.secret = ""
    headers = {"Authorization": f"Bearer {secret}".encode()}
    answer = site.client.post("/api/v1/decisions", json={}, headers=headers)
    assert refused(answer, 401, "unauthorised")
    assert answer.headers["www-authenticate"].startswith("Bearer")
    answers = [site.client.get("/api/v1/key", headers=headers).status_code for _ in range(30)]
    assert answers == [401] * 29 + [429]


def test_a_scope_and_a_purpose_bind_a_key(site: Site) -> None:
    """Without the scope nothing is done; for another purpose neither; `*` is for keys that are bound to nothing."""
    person = f"email:{site.shop.permitted[0]}"
    reader = program(site, "decisions:read", bound=("newsletter",))
    refused(reader.post("/choices", {"person": person, **PERSON, "act": "withdrawn"}), 403, "scope")
    asked = {"person": person, "purpose": "newsletter", "channel": "email"}
    assert reader.post("/decisions", asked).json()["permitted"] is True
    refused(reader.post("/decisions", asked | {"purpose": "similar_offers"}), 403, "scope")
    refused(reader.post("/decisions/batch", {"questions": [asked | {"purpose": "statistics"}]}), 403, "scope")
    writer = program(site, "choices:write", bound=("newsletter",))
    everything = {"person": person, "purpose": "*", "act": "withdrawn", "method": "phone"}
    refused(writer.post("/choices", everything), 403, "scope")
    assert program(site).post("/choices", everything).status_code == 201
    refused(program(site).post("/decisions", asked | {"purpose": "house:rights"}), 403, "scope")
    assert reader.post("/decisions", asked).json()["reason"]["code"] == "withdrawn"


def test_a_choice_is_recorded_and_the_next_decision_sees_it(site: Site) -> None:
    """The answer says where it stands; who recorded it is the key, and the ledger holds no identifier."""
    caller, email = program(site), site.shop.permitted[0]
    done = caller.post("/choices", {"person": f"email:{email}", **PERSON, "act": "withdrawn", "authenticated": True})
    assert done.status_code == 201
    with site.house.reading() as conn:
        entry = log.entry(conn, done.json()["entry"])
        assert entry is not None
        assert (entry["act"], entry["channel"]) == ("withdrawn", "email")
        assert str(entry["by"]).startswith("api:")
        assert done.json() == {
            "entry": done.json()["entry"],
            "size": log.head(conn).size,
            "at": to_iso(entry["at"]),
            "also": 0,
        }
    said = caller.post("/decisions", {"person": f"email:{email}", "purpose": "newsletter", "channel": "email"}).json()
    assert (said["permitted"], said["reason"]["code"], said["cited"]["entry"]) == (
        False,
        "withdrawn",
        done.json()["entry"],
    )
    assert site.house.check() == []


def test_the_same_call_again_gets_the_same_answer(site: Site) -> None:
    """Under one name the choice is recorded once; another call under it is refused, another caller's is its own."""
    caller, (one, other) = program(site), site.shop.permitted[:2]
    body = {"person": f"email:{one}", **PERSON, "act": "withdrawn"}
    first = caller.post("/choices", body, Idempotency_Key='"8e03978e-40d5"')
    again = caller.post("/choices", body, Idempotency_Key="8e03978e-40d5")
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    for changed in ({"method": "phone"}, {"person": f"email:{other}"}, {"act": "given"}, {"authenticated": True}):
        refused(caller.post("/choices", body | changed, Idempotency_Key="8e03978e-40d5"), 422, "key_reused")
    refused(caller.post("/choices/batch", {"choices": [body]}, Idempotency_Key=""), 400, "idempotency_key")
    refused(caller.post("/choices", body, Idempotency_Key="x" * 256), 400, "idempotency_key")
    assert (
        program(site).post("/choices", body, Idempotency_Key="8e03978e-40d5").json()["entry"] != first.json()["entry"]
    )
    assert len([entry for entry in of_kind(site, "choice") if str(entry["by"]).startswith("api:")]) == 2
    assert site.house.check() == []


def test_what_was_said_under_a_name_cannot_be_guessed_from_the_records(site: Site) -> None:
    """The digest of a call is keyed: nobody finds an address by trying all of them."""
    import hashlib

    caller, email = program(site), site.shop.permitted[0]
    body = {"person": f"email:{email}", **PERSON, "act": "withdrawn"}
    caller.post("/choices", body, Idempotency_Key="one")
    with db.read(site.house.engine) as conn:
        rows = str(db.fetch(conn, "SELECT key, said FROM commit_key"))
    for text in (json.dumps(body), json.dumps(body, sort_keys=True, separators=(",", ":")), email):
        assert hashlib.sha256(text.encode()).hexdigest() not in rows


def test_a_batch_is_recorded_whole_or_not_at_all(site: Site) -> None:
    """All in one commit, in their order; with one mistake nothing is, and its place is told without what was sent."""
    caller, people = program(site), site.shop.permitted[:5]
    choices = [{"person": f"email:{email}", **PERSON, "act": "withdrawn"} for email in people]
    choices += [{"person": f"email:{people[0]}", "purpose": "similar_offers", "act": "objected", "method": "phone"}]
    wrong = [*choices, {**choices[0], "person": "email:nobody@nowhere.example"}, {**choices[0], "channel": "fax"}]
    before = len(of_kind(site, "choice"))
    answer = caller.post("/choices/batch", {"choices": wrong}, Idempotency_Key="b")
    said = refused(answer, 422, "faulty")
    assert [(one["pointer"], one["type"]) for one in said["errors"]] == [
        ("#/choices/6", "/api/problems/not_found"),
        ("#/choices/7", "/api/problems/bad_input"),
    ]
    assert "nobody" not in answer.text.replace("nobody with", "")
    assert "fax" not in answer.text
    assert len(of_kind(site, "choice")) == before
    done = caller.post("/choices/batch", {"choices": choices}, Idempotency_Key="b")
    assert done.status_code == 201
    entries = done.json()["entries"]
    assert entries == list(range(entries[0], entries[0] + 6))
    assert caller.post("/choices/batch", {"choices": choices}, Idempotency_Key="b").json() == done.json()
    refused(caller.post("/choices/batch", {"choices": choices[:2]}, Idempotency_Key="b"), 422, "key_reused")
    with site.house.reading() as conn:
        assert log.entry(conn, entries[5])["purpose"] == "similar_offers"  # type: ignore[index] # it is there
    assert len(of_kind(site, "choice")) == before + 6
    assert site.house.check() == []


def test_a_batch_is_bounded(site: Site) -> None:
    """A thousand and no more, one and no fewer, a megabyte and no more."""
    caller = program(site)
    one = {"person": "key:C1", **PERSON, "act": "withdrawn"}
    refused(caller.post("/choices/batch", {"choices": [one] * 1001}), 422, "invalid")
    refused(caller.post("/choices/batch", {"choices": []}), 422, "invalid")
    refused(caller.post("/choices/batch", {"choices": [one], "x": "y" * (1 << 20)}), 413, "too_large")

    def dripping() -> Any:
        yield b'{"choices":[]}'

    headers = {"Authorization": f"Bearer {caller.secret}", "Content-Type": "application/json"}
    answer = site.client.post("/api/v1/choices/batch", content=dripping(), headers=headers)
    refused(answer, 413, "too_large")


def test_nothing_that_was_sent_is_repeated(site: Site) -> None:
    """Not a value, not the name of an unknown member, not a line of what is no JSON."""
    caller, secret = program(site), "ada.lovelace@example.com"
    body = {"person": secret, **PERSON, "act": "withdrawn"}
    for wrong in (
        {secret: secret},
        body | {secret: 1},
        body | {"act": secret},
        body | {"effective": secret},
        body | {"person": {secret: secret}},
        body | {"purpose": secret},
        body | {"notice": secret},
        body | {"channel": "ada_lovelace"},
        body | {"purpose": "ada_lovelace"},
        body | {"person": f"email:{secret}\0"},
        [secret],
        secret,
    ):
        answer = caller.post("/choices", wrong)
        assert 400 <= answer.status_code < 500
        assert answer.headers["content-type"] == PROBLEM
        assert "lovelace" not in answer.text, answer.text
    headers = {"Authorization": f"Bearer {caller.secret}", "Content-Type": "application/json"}
    for raw in (b'{"person": "ada.lovelace', b"\xff\xfe", b"[" * 100_000, b'{"person": "\\ud800"}', b"", b"NaN"):
        answer = site.client.post("/api/v1/choices", content=raw, headers=headers)
        assert answer.status_code in (400, 422)
        assert "lovelace" not in answer.text
    refused(
        site.client.post("/api/v1/choices", content=b"{}", headers=headers | {"Content-Type": "text/plain"}),
        415,
        "media_type",
    )
    refused(caller.call("PUT", "/choices"), 405, "not_allowed")
    refused(caller.get("/nothing"), 404, "not_found")


def test_a_key_has_so_many_calls_in_a_minute(site: Site) -> None:
    """Each answer says how many are left; afterwards it says how long to wait, and does nothing."""
    caller = program(site, rate=3)
    answers = [caller.get("/key") for _ in range(5)]
    assert [one.status_code for one in answers] == [200, 200, 200, 429, 429]
    assert answers[0].headers["ratelimit-policy"] == '"key";q=3;w=60'
    assert [one.headers["ratelimit"].split(";t=")[0] for one in answers[:3]] == ['"key";r=2', '"key";r=1', '"key";r=0']
    assert 0 < int(answers[4].headers["retry-after"]) <= 60
    assert program(site).get("/key").status_code == 200


@pytest.mark.parametrize(
    ("path", "member", "part"),
    [
        ("/decisions/batch", "questions", {"person": "key:x", "purpose": "newsletter", "channel": "email"}),
        ("/decisions/shadow", "reports", {"person": "key:x", "purpose": "newsletter", "did": True}),
        ("/choices/batch", "choices", {"person": "key:x", **PERSON, "act": "withdrawn"}),
        ("/webhooks/pseudonyms", "people", "key:x"),
    ],
)
def test_each_part_of_a_batch_is_a_call(site: Site, path: str, member: str, part: Any) -> None:
    """What fits into no minute of the key is too large; what does not fit into this one has to wait, whole."""
    caller = program(site, rate=5)
    more = {"webhook": "crm"} if member == "people" else {}
    refused(caller.post(path, {member: [part] * 6, **more}), 413, "too_large")
    first = caller.post(path, {member: [part] * 3, **more})
    assert first.status_code in (200, 404, 422)  # answered, whatever it is
    assert first.headers["ratelimit"].startswith('"key";r=1;')
    again = caller.post(path, {member: [part] * 2, **more})
    refused(again, 429, "too_fast")
    assert int(again.headers["retry-after"]) > 0


def test_a_program_proves_no_more_than_it_can(site: Site) -> None:
    """A yes names the notice and a form that was shown; a stronger proof needs `choices:vouch`; a no needs nothing."""
    writer, voucher = program(site, "choices:write"), program(site, "choices:write", "choices:vouch")
    email = site.shop.permitted[0]
    yes = {"person": f"email:{email}", **PERSON, "act": "given", "grade": "form", "authenticated": True}
    noted, nowhere = yes | {"notice": "web-2024"}, {"form": "0" * 64}
    before = len(of_kind(site, "choice"))
    link = noted | {"grade": "double_opt_in", "method": "double_opt_in_link"}
    for said in (link, noted | {"grade": "double_opt_in"}, noted | {"method": "double_opt_in_link"}):
        refused(writer.post("/choices", said), 403, "scope")
        refused(writer.post("/choices/batch", {"choices": [noted, said]}), 403, "scope")
    refused(writer.post("/choices", noted | {"method": "id_check", "voice": "guardian"}), 403, "scope")
    for caller in (writer, voucher):
        refused(caller.post("/choices", yes), 400, "bad_input")
        refused(caller.post("/choices", noted | nowhere), 400, "bad_input")
        told = refused(caller.post("/choices/batch", {"choices": [noted, yes, noted | nowhere]}), 422, "faulty")
        assert [one["pointer"] for one in told["errors"]] == ["#/choices/1", "#/choices/2"]
    refused(program(site, "choices:vouch").post("/choices", link), 403, "scope")
    assert len(of_kind(site, "choice")) == before
    shown = forms.shown(site.house, "letter", "fr", "program")
    forms.remember(site.house, shown)
    assert writer.post("/choices", noted | {"form": shown.digest}).status_code == 201
    assert voucher.post("/choices", link).status_code == 201
    no = yes | {"act": "withdrawn", "grade": "double_opt_in", "method": "double_opt_in_link"} | nowhere
    assert writer.post("/choices", no).status_code == 201
    recorded = of_kind(site, "choice")[before:]
    assert [(one["act"], one.get("form"), one["grade"]) for one in recorded] == [
        ("given", shown.digest, "form"),
        ("given", None, "double_opt_in"),
        ("withdrawn", None, "double_opt_in"),
    ]
    assert site.house.check() == []


def test_a_decision_says_why_and_what_a_yes_asks(site: Site) -> None:
    """Reason, article, choice, obligations; in French, too; an unknown person and an unknown purpose are noes."""
    caller, email = program(site), site.shop.permitted[0]
    asked = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email"}
    said = caller.post("/decisions", asked).json()
    assert said["permitted"] is True
    assert said["cited"]["status"] == "given"
    codes = {one["code"]: one.get("before") for one in said["obligations"]}
    assert codes.keys() == {"declare_use", "ask_again", "offer_withdrawal"}
    assert codes["ask_again"] > to_iso(site.clock())
    assert "oui" in caller.post("/decisions", asked | {"lang": "fr"}).json()["explanation"].lower()
    nobody = caller.post("/decisions", asked | {"person": "email:nobody@nowhere.example"}).json()
    assert (nobody["permitted"], nobody["reason"]["code"]) == (False, "unknown_person")
    assert caller.post("/decisions", asked | {"purpose": "nothing"}).json()["reason"]["code"] == "unknown_purpose"
    slip = caller.post("/decisions", asked | {"purpose": "newslettr"}).json()
    assert (slip["permitted"], slip["declared"], slip["meant"]) == (False, False, "newsletter")
    (each,) = caller.post("/decisions/batch", {"questions": [asked | {"purpose": "newslettr"}]}).json()["decisions"]
    assert each["decision"]["meant"] == "newsletter"
    assert caller.post("/decisions", asked).json()["declared"] is True
    stop(site.house, "newsletter", "committee")
    stopped = caller.post("/decisions", asked).json()
    assert (stopped["reason"]["code"], stopped["obligations"]) == ("stopped", [])
    assert [one for one in of_kind(site, "use") if str(one["by"]).startswith("api:")] == []


def test_a_decision_about_the_past_is_a_recorded_look(site: Site) -> None:
    """By what was true, and by what was known; an instant to come is refused."""
    caller, email = program(site), site.shop.permitted[0]
    with site.house.reading() as conn:
        known = log.head(conn).size
    before = to_iso(site.clock())
    site.clock.forward(2)
    caller.post("/choices", {"person": f"email:{email}", **PERSON, "act": "withdrawn"})
    asked = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email"}
    assert caller.post("/decisions", asked).json()["permitted"] is False
    looks = len(of_kind(site, "look"))
    assert caller.post("/decisions", asked | {"as_of": before}).json()["permitted"] is True
    now = to_iso(site.clock())
    assert caller.post("/decisions", asked | {"as_of": now, "known_at": known}).json()["permitted"] is True
    assert caller.post("/decisions", asked | {"as_of": now}).json()["permitted"] is False
    assert len(of_kind(site, "look")) == looks + 3
    refused(caller.post("/decisions", asked | {"as_of": to_iso(site.clock() + DAY)}), 400, "bad_input")
    refused(caller.post("/decisions", asked | {"known_at": 10**9}), 400, "bad_input")


def test_many_decisions_are_those_of_one_each(site: Site) -> None:
    """A mistake in one is that one's answer."""
    caller, people = program(site), site.shop.permitted[:6]
    caller.post("/choices", {"person": f"email:{people[2]}", **PERSON, "act": "withdrawn"})
    questions = [{"person": f"email:{one}", "purpose": "newsletter", "channel": "email"} for one in people]
    found = caller.post("/decisions/batch", {"questions": [*questions, {**questions[0], "person": "email:"}]}).json()
    each = [caller.post("/decisions", question).json() for question in questions]
    assert [one["decision"]["permitted"] for one in found["decisions"][:6]] == [one["permitted"] for one in each]
    assert found["decisions"][6]["problem"]["status"] == 400


def test_a_use_is_recorded_before_anything_is_opened(site: Site) -> None:
    """The values of this one purpose; the same call again opens the same use; a refusal records nothing."""
    caller, email = program(site), site.shop.permitted[0]
    body = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email", "fields": ["customers.email"]}
    done = caller.post("/uses", body, Idempotency_Key="u")
    assert done.status_code == 201
    assert done.json()["values"] == {"customers.email": email}
    uses = [one for one in of_kind(site, "use") if one["use"] == done.json()["use"]]
    assert [(one["mode"], one["fields"]) for one in uses] == [("one", ["customers.email"])]
    assert caller.post("/uses", body, Idempotency_Key="u").json() == done.json()
    refused(caller.post("/uses", body | {"fields": []}, Idempotency_Key="u"), 422, "key_reused")
    site.clock.forward(1)
    assert refused(caller.post("/uses", body, Idempotency_Key="u"), 403, "denied")["reason"] == "permit_expired"
    caller.post("/choices", {"person": f"email:{email}", **PERSON, "act": "withdrawn"})
    count = len(of_kind(site, "use"))
    said = refused(caller.post("/uses", body), 403, "denied")
    assert (said["reason"], said["decision"]["permitted"]) == ("withdrawn", False)
    assert (
        refused(caller.post("/uses", body | {"fields": ["customers.birth_date"]}), 403, "denied")["reason"]
        == "undeclared_field"
    )
    refused(caller.post("/uses", body | {"person": "key:nobody"}), 404, "not_found")
    assert len(of_kind(site, "use")) == count
    assert site.house.check() == []


@pytest.mark.parametrize("meanwhile", ["withdrawn", "restricted", "stopped"])
def test_a_use_that_is_asked_again_opens_nothing_after_a_no(site: Site, meanwhile: str) -> None:
    """A withdrawal, a restriction or a stop after the first call: its name opens nothing more, and says why."""
    caller, email = program(site), site.shop.permitted[0]
    body = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email", "fields": ["customers.email"]}
    assert caller.post("/uses", body, Idempotency_Key="u").status_code == 201
    if meanwhile == "stopped":
        stop(site.house, "newsletter", "committee")
    else:
        place = {"purpose": "*"} if meanwhile == "restricted" else {"purpose": "newsletter", "channel": "email"}
        said = {"person": f"email:{email}", "act": meanwhile, "method": "phone", **place}
        assert caller.post("/choices", said).status_code == 201
    answer = caller.post("/uses", body, Idempotency_Key="u")
    problem = refused(answer, 403, "denied")
    assert (problem["reason"], problem["decision"]["permitted"]) == (meanwhile, False)
    assert email not in answer.text
    assert site.house.check() == []


@pytest.mark.parametrize("meanwhile", ["withdrawn", "restricted", "stopped", "erased", "nothing", "others"])
def test_what_is_released_is_permitted_when_it_leaves(
    site: Site, meanwhile: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody says no after the use was recorded, before its values leave: it stays recorded, nothing is released."""
    caller, email = program(site), site.shop.permitted[0]
    body = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email", "fields": ["customers.email"]}
    subject, other, commit = site.subject(email), site.subject(site.shop.permitted[1]), House.commit

    def then(house: House, verb: Verb[Any]) -> Any:
        recorded = commit(house, verb)
        if isinstance(verb, UseOfOne):
            monkeypatch.setattr(House, "commit", commit)
            site.clock.forward(1e-4)
            _something_happens(house, subject if meanwhile != "others" else other, meanwhile)
        return recorded

    monkeypatch.setattr(House, "commit", then)
    before = len(of_kind(site, "use"))
    answer = caller.post("/uses", body)
    assert len(of_kind(site, "use")) == before + 1
    if meanwhile in ("nothing", "others"):
        assert answer.json()["values"] == {"customers.email": email}
    else:
        assert answer.status_code in (403, 404)
        assert email not in answer.text
    assert site.house.check() == []


def _something_happens(house: House, subject: SubjectId, what: str) -> None:
    if what == "stopped":
        stop(house, "newsletter", "committee")
    elif what == "erased":
        house.erase(subject)
    elif what != "nothing":
        act, about = ("restricted", {}) if what == "restricted" else ("withdrawn", {"channel": "email"})
        purpose = "*" if what == "restricted" else "newsletter"
        choose(house, subject, purpose, act, by="person", method="web_form", grade="form", **about)


def test_an_erased_person_is_used_no_more(site: Site) -> None:
    """Neither under a new name, nor by repeating a call of before."""
    caller, email = program(site), site.shop.permitted[0]
    body = {"person": f"email:{email}", "purpose": "newsletter", "channel": "email", "fields": ["customers.email"]}
    assert caller.post("/uses", body, Idempotency_Key="u").status_code == 201
    site.house.erase(f"email:{email}")
    for headers in ({"Idempotency_Key": "u"}, {}):
        answer = caller.post("/uses", body, **headers)
        assert answer.status_code in (400, 403, 404)
        assert email not in answer.text
    assert site.house.check() == []


def test_what_a_person_said_is_read_with_a_recorded_look(site: Site) -> None:
    """Choices and what holds, of the key's purposes only."""
    caller, email = program(site), site.shop.permitted[0]
    caller.post("/choices", {"person": f"email:{email}", **PERSON, "act": "withdrawn"})
    caller.post(
        "/choices", {"person": f"email:{email}", "purpose": "similar_offers", "act": "objected", "method": "phone"}
    )
    said = caller.post("/choices/read", {"person": f"email:{email}"}).json()
    assert [one["act"] for one in said["choices"]][-2:] == ["withdrawn", "objected"]
    standing = {(one["purpose"], one.get("channel")): one["allowed"] for one in said["standing"]}
    assert (standing["newsletter", "email"], standing["similar_offers", "email"]) == (False, False)
    narrow = (
        program(site, "choices:read", bound=("newsletter",)).post("/choices/read", {"person": f"email:{email}"}).json()
    )
    assert {one["purpose"] for one in (*narrow["choices"], *narrow["standing"])} == {"newsletter"}
    assert [one["reason"] for one in of_kind(site, "look")] == ["choices", "choices"]
    refused(caller.post("/choices/read", {"person": "key:nobody"}), 404, "not_found")


def test_a_receipt_verifies_away_from_the_house(site: Site, tmp_path: Any) -> None:
    """The one of the entry named, else of the latest choice; of a purpose that the key is bound to."""
    caller, email = program(site), site.shop.permitted[0]
    done = caller.post("/choices", {"person": f"email:{email}", **PERSON, "act": "withdrawn"}).json()
    found = caller.post("/receipts", {"person": f"email:{email}", "entry": done["entry"]})
    assert found.status_code == 200
    (tmp_path / "receipt.json").write_bytes(found.content)
    assert verifier.main([str(tmp_path / "receipt.json"), "--key", site.house.vkey]) == 0
    narrow = program(site, "receipts:read", bound=("similar_offers",))
    refused(narrow.post("/receipts", {"person": f"email:{email}", "entry": done["entry"]}), 404, "not_found")


def test_shadow_mode_counts_and_writes_nobody_down(site: Site) -> None:
    """What the gate would have said, counted by day and purpose; no entry, no identifier anywhere."""
    caller, people = program(site), site.shop.permitted[:4]
    caller.post("/choices", {"person": f"email:{people[0]}", **PERSON, "act": "withdrawn"})
    with site.house.reading() as conn:
        size = log.head(conn).size
    asked = {"purpose": "newsletter", "channel": "email"}
    reports = [{"person": f"email:{one}", **asked, "did": True} for one in people]
    reports += [{"person": f"email:{people[1]}", **asked, "did": False}, {"person": "email:", **asked, "did": True}]
    reports += [{"person": f"email:{people[1]}", "purpose": "zodiac", "did": True}]
    said = caller.post("/decisions/shadow", {"reports": reports}).json()["answers"]
    assert [one.get("agrees") for one in said] == [False, True, True, True, False, None, False]
    rows = caller.get("/shadow/report").json()["days"]
    assert [one["reasons"] for one in rows] == [{}, {}]  # so few that they would tell of somebody
    assert not {"agreed", "done_though_denied", "left_though_permitted"} & {name for one in rows for name in one}
    for _ in range(10):
        caller.post("/decisions/shadow", {"reports": reports})
    (undeclared, row) = caller.get("/shadow/report").json()["days"]
    day = to_iso(site.clock())[:10]
    assert row == {
        "day": day,
        "purpose": "newsletter",
        "agreed": 30,
        "done_though_denied": 10,
        "left_though_permitted": 10,
        "reasons": {"withdrawn": 10},
    }
    assert (undeclared.get("purpose"), undeclared["reasons"]) == (None, {"unknown_purpose": 10})
    with db.read(site.house.engine) as conn:
        rows = str(db.fetch(conn, "SELECT * FROM shadow_count"))
        assert log.head(conn).size == size
    assert not any(word in rows for word in ("zodiac", "@", *people))
    site.clock.forward(3)
    caller.post("/decisions/shadow", {"reports": reports[:1] * 12})
    later = caller.get(f"/shadow/report?first={to_iso(site.clock())[:10]}").json()["days"]
    assert [one["done_though_denied"] for one in later] == [10]
    assert len(caller.get("/shadow/report").json()["days"]) == 3
    narrow = program(site, "shadow:read", bound=("statistics",))
    assert narrow.get("/shadow/report").json()["days"] == []
    refused(caller.get("/shadow/report?first=2026-02-30"), 400, "bad_input")
    refused(caller.get("/shadow/report?first=2026-02-02&last=2026-01-01"), 400, "bad_input")
    refused(caller.get("/shadow/report?since=2026"), 422, "invalid")


def test_a_key_hears_of_the_receivers_that_it_is_bound_to(site: Site) -> None:
    """A purpose gives no receiver; each pseudonym that is asked for is a look, and nobody unknown leaves one."""
    hooks = tuple(WebhookSettings(name=name, url="https://receiver.example/") for name in ("crm", "mailer"))
    object.__setattr__(site.house, "settings", site.house.settings.model_copy(update={"webhooks": hooks}))
    email = site.shop.permitted[0]
    asked = {"webhook": "crm", "people": [f"email:{email}", "email:nobody@nowhere.example"]}
    for bound, heard in (("newsletter",), []), (("webhook:crm",), ["crm"]), (("*",), ["crm", "mailer"]):
        caller = program(site, "webhooks:manage", bound=bound)
        assert [one["name"] for one in caller.get("/webhooks").json()["webhooks"]] == heard
        for name in ("crm", "mailer"):
            before = len(of_kind(site, "look"))
            answer = caller.post("/webhooks/pseudonyms", asked | {"webhook": name})
            if name not in heard:
                refused(answer, 403, "scope")
                refused(caller.post("/webhooks/dead/resend", {"webhook": name}), 403, "scope")
            else:
                assert [one is not None for one in answer.json()["pseudonyms"]] == [True, False]
            assert len(of_kind(site, "look")) == before + (name in heard)
        refused(caller.post("/webhooks/dead/resend", {}), *((404, "not_found") if bound == ("*",) else (403, "scope")))
    assert {one["reason"] for one in of_kind(site, "look")} == {"pseudonym"}
    narrow = program(site, bound=("webhook:crm",))
    refused(narrow.post("/decisions", {"person": f"email:{email}", "purpose": "newsletter"}), 403, "scope")
    with pytest.raises(BadInput, match=r"settings\.toml"):
        key_for(site.house, bound=("webhook:nobody",))
    assert site.house.check() == []


def test_the_checkpoint_is_public(site: Site) -> None:
    """Without a key, and it verifies with the house's; it is the one of the last full hour."""
    caller = program(site)
    site.clock.forward(1 / 24)
    caller.secret = ""
    said = caller.get("/ledger/checkpoint").json()
    with site.house.reading() as conn:
        assert said["checkpoint"] == log.head(conn).checkpoint
    assert said["vkey"] == site.house.vkey


def test_a_house_that_refuses_says_when_to_come_back(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the house cannot trust is a 503 with a time to wait, and none of the reasons."""
    caller = program(site)
    asked = {"person": "key:C1", **PERSON, "act": "withdrawn"}
    site.house.committer.close()
    answer = caller.post("/choices", asked)
    refused(answer, 503, "unsafe")
    assert int(answer.headers["retry-after"]) > 0
    monkeypatch.setattr(db, "read", _refuse)
    refused(caller.get("/ledger/checkpoint"), 503, "unsafe")


def _refuse(*_: object) -> Any:
    raise Unsafe("the records of this house have moved to another database; open the house again")


def test_the_type_of_a_problem_leads_to_words(site: Site) -> None:
    """Its address answers with the place on the page; one that there is none of is not found."""
    led = site.get("/api/problems/key_reused", headers={"Accept-Language": "fr"})
    assert (led.status_code, led.headers["location"]) == (303, "/fr/api#problem-key_reused")
    assert 'id="problem-key_reused"' in site.get("/fr/api").text
    refused(site.get("/api/problems/nothing"), 404, "not_found")
