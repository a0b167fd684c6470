"""A form is shown, answered and confirmed: nothing is ticked beforehand, nothing counts that was not shown."""

from __future__ import annotations

import hashlib
import html
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pacte.app import forms, letters, links, optin, pending
from pacte.app.duties import ended_jobs
from pacte.app.house import House, open_house
from pacte.app.identity import email_of
from pacte.app.people import people_of
from pacte.app.publish import publish
from pacte.app.settings import FILE
from pacte.app.stop import stop
from pacte.app.uses import declare
from pacte.app.worker import work
from pacte.gate.values import Decision
from pacte.kernel import db, jobs
from pacte.kernel.errors import Denied
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, Instant
from pacte.ledger import log, queries
from pacte.testing.shop import Shop
from pacte.web.server import application
from tests.app.mail import PASSWORD, USER, Mailbox, certificate, mail_server
from tests.web.conftest import Site, csrf, spoiled

PAGE, NEW = "/fr/forms/letter", "nadia.kermarrec@courriel.example"
YES = {"yes": "newsletter.email", "customers.email": NEW, "over": "1", "place": "FR", "act": "save"}


@pytest.fixture
def box() -> Iterator[Mailbox]:
    """A mail server."""
    with mail_server() as found:
        yield found


@pytest.fixture
def mailing(a_shop: Shop, box: Mailbox) -> Iterator[Site]:
    """The shop's doors, with a mail server behind the house."""
    with _mailing(a_shop, port=box.port, tls="none") as site:
        yield site


class _mailing:  # noqa: N801 # reads as the function that it is
    def __init__(self, shop: Shop, **settings: Any) -> None:
        self.shop, self.settings = shop, settings

    def __enter__(self) -> Site:
        words = "\n".join(f"{name} = {value!r}".replace("'", '"') for name, value in self.settings.items())
        target = self.shop.house.path / FILE
        with target.open("a", encoding="utf-8") as file:
            file.write(f'\n[mail]\nhost = "127.0.0.1"\nfrom = "Shop <hello@shop.example>"\n{words}\n')
        self.shop.house.close()
        self.house = open_house(self.shop.house.path, clock=self.shop.clock)
        shop = replace(self.shop, house=self.house)
        self.client = TestClient(application(self.house), base_url="http://127.0.0.1:8080")
        self.client.__enter__()
        return Site(shop, self.client)

    def __exit__(self, *_: object) -> None:
        self.client.__exit__()
        assert self.house.check() == []
        self.house.close()


def shown(page: str) -> dict[str, str]:
    """The hidden fields of a form."""
    found = re.search(r'name="ticket" value="([^"]+)"', page)
    return {"ticket": found[1] if found else "", "csrf": csrf(page)}


def answer(site: Site, path: str = PAGE, **said: Any) -> Any:
    """Open a form and answer it."""
    page = site.get(path).text
    return site.client.post(path, data={**shown(page), **said}, follow_redirects=False)


def letter(site: Site, box: Mailbox) -> str:
    """Do the jobs; the path of the link in the last letter."""
    work(site.house, threading.Event(), once=True)
    found = re.search(r"(/(?:fr|en)/confirm/\S+)", box.letter())
    assert found, box.letter()
    return found[1]


def words(page: str) -> str:
    """What a page says, as people type it."""
    return html.unescape(page).replace("\u202f", " ").replace("’", "'")


def requests(house: House) -> list[tuple[Any, ...]]:
    """What waits or was confirmed."""
    with house.reading() as conn:
        return db.fetch(conn, "SELECT id, subject, state, entry FROM optin")


def size(house: House) -> int:
    """How many entries the ledger has."""
    with house.reading() as conn:
        return log.head(conn).size


def who(house: House, email: str) -> list[SubjectId]:
    """Everybody behind an address."""
    with house.reading() as conn:
        return people_of(house, conn, f"email:{email}")


def choices(house: House, subject: str) -> list[tuple[str, str, str, str]]:
    """What the ledger holds of somebody's choices."""
    with house.reading() as conn:
        found = queries.about(conn, SubjectId(subject))
    return [
        (entry["purpose"], entry.get("channel", ""), entry["act"], entry["grade"])
        for _, entry in found
        if entry["kind"] == "choice"
    ]


def test_no_box_is_ticked_and_refusing_is_as_easy(site: Site) -> None:
    """Each purpose and channel has its box, empty; the two buttons are alike; every box says what it is for."""
    page = site.get("/fr/forms/account").text
    boxes = re.findall(r"<input type=\"checkbox\"[^>]*>", page)
    assert [re.search('value="([^"]+)"', one)[1] for one in boxes] == [  # type: ignore[index]
        "newsletter.email",
        "newsletter.sms",
        "partner_offers.email.cookery_school",
        "partner_offers.email.sugar_shack",
        "over",
    ]
    assert not any("checked" in one for one in boxes)
    save, none = re.findall(r"<button name=\"act\"[^>]*>", page)
    assert save.replace("save", "none") == none
    assert "deux jours plus tard" in page
    assert "L’annonce en avance" in page


def test_what_is_shown_is_kept_word_by_word_under_its_digest(site: Site) -> None:
    """The page holds the recorded fragment; the ledger says since when; a second visit records nothing more."""
    page = site.get(PAGE).text
    found = forms.shown(site.house, "letter", "fr")
    live = re.sub(r'action="[^"]*"', 'action=""', re.sub(r'<input type="hidden"[^>]*>', "", page))
    assert found.body.strip() in live
    assert hashlib.sha256(forms.body(site.house, found.digest).encode()).hexdigest() == found.digest
    before = size(site.house)
    site.get(PAGE)
    assert size(site.house) == before
    with site.house.reading() as conn:
        entries = [entry for _, entry in log.of_kind(conn, "form")]
    assert [(one["form"], one["name"], one["locale"]) for one in entries] == [(found.digest, "letter", "fr")]


def test_a_stranger_confirms_by_a_message(mailing: Site, box: Mailbox) -> None:
    """From the form to the gate's yes: until the confirmation nothing may be used, then the yes has its proof."""
    house = mailing.house
    assert "Regardez vos messages" in answer(mailing, **YES).text
    (subject,) = who(house, NEW)
    purposes = {"newsletter": "email", "order_service": "email", "statistics": "", "similar_offers": "email"}
    assert not any(house.may(subject, name, channel=by).permitted for name, by in purposes.items())
    assert choices(house, subject) == []
    link = letter(mailing, box)
    assert [one["To"] for one in box.taken] == [NEW]
    page = mailing.get(link)
    assert page.status_code == 200
    assert "Oui à « Lettre du Comptoir » par courriel" in words(page.text)
    assert choices(house, subject) == []  # a scanner that opens the link changes nothing
    mailing.client.head(link)
    notice = re.search(r'name="notice" value="([0-9a-f]+)"', page.text)
    assert notice
    done = mailing.client.post(link, data={"csrf": csrf(page.text), "notice": notice[1]}, follow_redirects=False)
    assert done.status_code == 303
    assert choices(house, subject) == [("newsletter", "email", "given", "double_opt_in")]
    decision = house.may(subject, "newsletter", channel="email")
    assert decision.permitted, decision.reason
    confirmed = mailing.get(link).text
    assert "C’est confirmé" in confirmed
    entry = re.search(r'name="entry" value="(\d+)"', confirmed)
    assert entry
    receipt = mailing.client.post(f"{link}/receipt", data={"csrf": csrf(confirmed), "entry": entry[1]})
    assert receipt.status_code == 200
    assert receipt.json()["proof"]
    with house.reading() as conn:
        said = log.entry(conn, int(entry[1]))
    assert said is not None
    assert said["form"] == forms.shown(house, "letter", "fr").digest
    assert mailing.get("/fr/me/choices").status_code == 200  # the link lets see and change choices
    use = declare(house, "newsletter", channel="email", by="marketing")
    assert use.funnel.permitted > 0


def test_confirming_twice_records_once(mailing: Site, box: Mailbox) -> None:
    """Two tabs, a second click, a replay days later: one choice, and always the same page."""
    answer(mailing, **YES)
    link = letter(mailing, box)
    page = mailing.get(link).text
    said = {"csrf": csrf(page), "notice": re.search(r'name="notice" value="([^"]+)"', page)[1]}  # type: ignore[index]
    for _ in range(3):
        assert mailing.client.post(link, data=said, follow_redirects=False).status_code == 303
    (subject,) = who(mailing.house, NEW)
    assert choices(mailing.house, subject) == [("newsletter", "email", "given", "double_opt_in")]
    mailing.clock.forward(10)
    assert "C’est confirmé" in mailing.get(link).text


def test_the_same_answer_twice_asks_once(mailing: Site, box: Mailbox) -> None:
    """A double post of one form: one request, one person, one letter."""
    page = mailing.get(PAGE).text
    for _ in range(3):
        assert mailing.client.post(PAGE, data={**shown(page), **YES}).status_code == 200
    assert len(requests(mailing.house)) == 1
    assert len(who(mailing.house, NEW)) == 1
    letter(mailing, box)
    assert len(box.taken) == 1


def test_no_answer_says_whether_an_address_is_known(mailing: Site) -> None:
    """The page for a customer and for a stranger is the same, word by word, but for the tokens."""
    pages = []
    for email in (NEW, mailing.shop.permitted[0], mailing.shop.permitted[1]):
        found = answer(mailing, **{**YES, "customers.email": email})
        pages.append((found.status_code, re.sub(r'value="[^"]*"', "", found.text), sorted(found.headers)))
    assert pages[0] == pages[1] == pages[2]
    assert mailing.shop.permitted[0] not in pages[1][1]


def test_no_to_everything_keeps_nothing(site: Site) -> None:
    """Neither an address nor a choice is kept, whatever was ticked before the button that refuses was pressed."""
    before = None
    for said in ({**YES, "act": "none"}, {"customers.email": NEW, "act": "save"}):
        found = answer(site, **said)
        before = size(site.house) if before is None else before
        assert found.status_code == 200
        assert "ni adresse ni choix" in found.text
        unticked = said["act"] == "save"
        assert ("Vous n’avez coché aucune case" in found.text, "C’est noté" in found.text) == (unticked, not unticked)
        assert f'<a href="{PAGE}">' in found.text
    assert (size(site.house), requests(site.house), who(site.house, NEW)) == (before, [], [])


def test_a_box_that_was_not_shown_is_refused(site: Site) -> None:
    """A yes to another purpose of the policy, or to nothing that exists, is refused whole; nothing is recorded."""
    page = site.get(PAGE).text
    before = size(site.house)
    for more in ("partner_offers.email.cookery_school", "newsletter.sms", "order_service", "<b>"):
        said = {**shown(page), **YES, "yes": ["newsletter.email", more]}
        assert site.client.post(PAGE, data=said).status_code == 400
    forged = {**shown(page), **YES, "ticket": spoiled(shown(page)["ticket"])}
    assert site.client.post(PAGE, data=forged).status_code == 404
    other = shown(site.get("/fr/forms/account").text)
    assert site.client.post(PAGE, data={**YES, **other}).status_code == 404
    assert (size(site.house) - before, requests(site.house)) == (1, [])  # the other form was shown for the first time


def test_a_form_that_changed_meanwhile_is_shown_again(site: Site) -> None:
    """A new notice between display and answer: the answer records nothing, what changed is said, boxes are empty."""
    page = site.get(PAGE).text
    policy = site.house.path / "policy.yaml"
    text = policy.read_text("utf-8").replace("Une lettre par mois,", "Deux lettres par mois,")
    policy.write_text(text, "utf-8")
    publish(site.house, "owner")
    before = size(site.house)
    found = site.client.post(PAGE, data={**shown(page), **YES})
    assert found.status_code == 409
    assert "a changé pendant que vous répondiez" in found.text
    assert "Deux lettres par mois" in found.text
    assert not re.search(r"<input type=\"checkbox\"[^>]*checked", found.text)
    assert (size(site.house) - before, requests(site.house)) == (1, [])
    assert site.client.post(PAGE, data={**YES, **shown(found.text)}).status_code == 200


def test_a_form_that_was_open_for_too_long_is_shown_again(site: Site) -> None:
    """After a day the ticket is over; the form comes back, and nothing is recorded."""
    page = site.get(PAGE).text
    token = shown(page)["ticket"]
    site.clock.forward(1.2)
    fresh = csrf(site.get(PAGE).text)
    found = site.client.post(PAGE, data={**YES, "ticket": token, "csrf": fresh})
    assert found.status_code == 410
    assert "resté ouvert longtemps" in found.text
    assert requests(site.house) == []


def test_what_cannot_be_read_is_asked_again(site: Site) -> None:
    """An address that is none, an age that is not said: the summary leads to the fields, what was ticked stays."""
    page = answer(site, yes="newsletter.email", act="save", **{"customers.email": "nobody"})
    assert page.status_code == 422
    assert re.search(r'href="#customers-email"', page.text)
    assert re.search(r'href="#over"', page.text)
    assert re.search(r'value="newsletter.email" checked', page.text)
    assert 'value="nobody"' in page.text
    assert requests(site.house) == []


def test_somebody_signed_in_answers_at_once(mailing: Site, box: Mailbox) -> None:
    """No field to type; each yes is recorded, a no where nothing was said; what needs two yeses is asked by letter."""
    email = mailing.shop.permitted[0]
    subject = mailing.as_person(email)
    page = mailing.get("/fr/forms/account").text
    assert 'name="customers.email"' not in page
    before = choices(mailing.house, subject)
    boxes = ["newsletter.sms", "partner_offers.email.cookery_school"]
    said = {**shown(page), "yes": boxes, "act": "save"}
    for _ in range(2):
        done = mailing.client.post("/fr/forms/account", data=said)
        assert "Encore une étape" in done.text
    new = choices(mailing.house, subject)[len(before) :]
    assert ("newsletter", "sms", "given", "form") in new
    assert ("newsletter", "email", "refused", "form") not in new  # an empty box takes back no earlier yes
    assert not any(purpose == "partner_offers" and act == "given" for purpose, _, act, _ in new)
    link = letter(mailing, box)
    page = mailing.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice
    mailing.client.post(link, data={"csrf": csrf(page), "notice": notice[1]})
    assert ("partner_offers", "email", "given", "double_opt_in") in choices(mailing.house, subject)
    assert len(new) == len(set(new))


def test_somebody_signed_in_who_ticked_nothing_is_told_so(site: Site) -> None:
    """What was never answered becomes a no, what was said stands; the page says it, and leads back to the form."""
    subject = site.as_person(site.shop.permitted[0])
    before = choices(site.house, subject)
    found = answer(site, "/fr/forms/account", act="save")
    assert found.status_code == 200
    assert "Vous n’avez coché aucune case" in found.text
    assert "Vos choix sont enregistrés" not in found.text
    assert '<a href="/fr/forms/account">' in found.text
    new = choices(site.house, subject)[len(before) :]
    assert {act for _, _, act, _ in new} == {"refused"}
    assert ("newsletter", "email", "refused", "form") not in new


def test_an_expired_link_is_no_dead_end(mailing: Site, box: Mailbox) -> None:
    """It offers another letter, whose link works; once the request was deleted, the way leads back to the form."""
    answer(mailing, **YES)
    link = letter(mailing, box)
    mailing.clock.forward(4)
    page = mailing.get(link)
    assert page.status_code == 410
    assert "a expiré" in page.text
    for _ in range(3):
        again = mailing.client.post(f"{link}/again", data={"csrf": csrf(page.text)})
        assert "Un autre message est parti" in words(again.text)
    fresh = letter(mailing, box)
    assert len(box.taken) == 2
    assert fresh != link
    assert mailing.get(fresh).status_code == 200
    mailing.clock.forward(30)
    work(mailing.house, threading.Event(), once=True, trust_clock=True)
    gone = mailing.get(fresh)
    assert gone.status_code == 410
    assert "/fr/forms/letter" in gone.text
    assert who(mailing.house, NEW) == []


def test_an_address_that_nobody_confirmed_is_deleted_without_a_trace(mailing: Site) -> None:
    """After thirty days it is gone from vault and index, on no list of suppressed addresses, and may come again."""
    answer(mailing, **YES)
    (subject,) = who(mailing.house, NEW)
    mailing.clock.forward(31)
    work(mailing.house, threading.Event(), once=True, trust_clock=True)
    assert (requests(mailing.house), who(mailing.house, NEW)) == ([], [])
    with mailing.house.reading() as conn:
        assert db.fetch(conn, "SELECT count(*) FROM vault_sealed WHERE subject = ?", (subject,)) == [(0,)]
        assert db.fetch(conn, "SELECT count(*) FROM vault_suppressed") == [(0,)]
    answer(mailing, **YES)
    assert len(who(mailing.house, NEW)) == 1


def test_the_owner_of_an_address_may_disown_a_request(mailing: Site, box: Mailbox) -> None:
    """One button deletes it at once; a customer's own data stay."""
    customer = mailing.shop.permitted[0]
    for email in (NEW, customer):
        answer(mailing, **{**YES, "customers.email": email})
        link = letter(mailing, box)
        page = mailing.get(link).text
        assert "effacée" in mailing.client.post(f"{link}/disown", data={"csrf": csrf(page)}).text
        assert mailing.get(link).status_code == 410
    assert requests(mailing.house) == []
    assert (len(who(mailing.house, NEW)), len(who(mailing.house, customer))) == (0, 1)


def test_a_request_is_confirmed_or_deleted_and_never_both(
    mailing: Site, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Confirmed while the other tab says no: the person stays. Begun to be deleted: there is nothing to confirm."""
    answer(mailing, **YES)
    link = letter(mailing, box)
    page = mailing.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice

    def dying(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("pacte.app.erase.erase", dying)
        pending.end(mailing.house, Instant(mailing.clock() + 31 * DAY))
    sent = {"csrf": csrf(page), "notice": notice[1]}
    assert mailing.client.post(link, data=sent).status_code == 410
    pending.end(mailing.house, mailing.clock())
    assert (requests(mailing.house), who(mailing.house, NEW)) == ([], [])
    answer(mailing, **YES)
    link = letter(mailing, box)
    page = mailing.get(link).text
    with mailing.house.reading() as conn:
        request = pending.read(conn, str(requests(mailing.house)[0][0]))
    assert request
    assert mailing.client.post(link, data={**sent, "csrf": csrf(page)}, follow_redirects=False).status_code == 303
    pending.drop(mailing.house, request)  # as it stood before it was confirmed
    assert len(who(mailing.house, NEW)) == 1
    disowned = mailing.client.post(f"{link}/disown", data={"csrf": csrf(page)}, follow_redirects=False)
    assert (disowned.status_code, disowned.headers["Location"]) == (303, link)


def test_links_that_were_forged_or_are_somebody_elses(mailing: Site, box: Mailbox) -> None:
    """A link confirms for its own person alone, whoever is signed in; a changed one confirms nothing."""
    other = mailing.as_person(mailing.shop.permitted[0])
    before = choices(mailing.house, other)
    answer(mailing, "/fr/forms/letter/embed", **YES)
    link = letter(mailing, box)
    for bad in (f"{link[:-3]}AAA", "/fr/confirm/nothing", "/fr/confirm/" + "A" * 5000):
        assert mailing.get(bad).status_code in (404, 414)
    (subject,) = who(mailing.house, NEW)
    wrong = links.seal(mailing.house, letters.SIGN_IN, {"subject": subject, "request": "x"}, DAY)
    assert mailing.get(f"/fr/confirm/{wrong}").status_code == 404
    request = str(requests(mailing.house)[0][0])
    payload = {"request": request, "subject": str(other), "form": "letter"}
    stolen = links.seal(mailing.house, optin.LETTER, payload, DAY)
    assert mailing.get(f"/fr/confirm/{stolen}").status_code == 404
    page = mailing.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice
    mailing.client.post(link, data={"csrf": csrf(page), "notice": notice[1]})
    assert choices(mailing.house, other) == before
    assert choices(mailing.house, subject) == [("newsletter", "email", "given", "double_opt_in")]
    assert str(mailing.subject(mailing.shop.permitted[0])) == other  # still signed in as before


def test_a_mail_server_that_is_down_for_an_hour(mailing: Site, box: Mailbox) -> None:
    """The request waits; when the server is up again, one letter goes out."""
    box.refuse = "421 closed"
    answer(mailing, **YES)
    for _ in range(6):
        work(mailing.house, threading.Event(), once=True)
        mailing.clock.forward(1 / 144)
    assert box.taken == []
    box.refuse = ""
    mailing.clock.forward(1 / 12)
    link = letter(mailing, box)
    mailing.clock.forward(1 / 12)
    work(mailing.house, threading.Event(), once=True)
    assert len(box.taken) == 1
    assert mailing.get(link).status_code == 200


def test_the_letter_leaves_with_tls_and_a_password(
    a_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real server with STARTTLS and a name; the letter is in the language of the form and holds no pixel."""
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    pem = certificate(tmp_path)
    with mail_server("starttls", pem, password=True) as box:
        settings = {"port": box.port, "tls": "starttls", "user": USER, "password": "env:SMTP_PASSWORD", "ca": str(pem)}
        with _mailing(a_shop, **settings) as site:
            answer(site, "/en/forms/letter", **YES)
            assert letter(site, box).startswith("/en/confirm/")
            whole = box.taken[0].as_string()
            assert "<img" not in whole
            assert "Look and confirm" in whole


def test_a_customer_who_is_asked_keeps_what_they_said(mailing: Site, box: Mailbox) -> None:
    """A known address: the confirmation adds the yes, and takes nothing back of what was said elsewhere."""
    email = next(
        one
        for one in mailing.shop.emails
        if len(who(mailing.house, one)) == 1 and not choices(mailing.house, who(mailing.house, one)[0])
    )
    (subject,) = who(mailing.house, email)
    answer(mailing, "/fr/forms/account", **{**YES, "customers.email": email})
    link = letter(mailing, box)
    page = mailing.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice
    mailing.client.post(link, data={"csrf": csrf(page), "notice": notice[1]})
    assert choices(mailing.house, subject) == [("newsletter", "email", "given", "double_opt_in")]


def test_somebody_new_says_no_to_the_empty_boxes(mailing: Site, box: Mailbox) -> None:
    """Of somebody new, each purpose has its answer: a yes where it was ticked, a no elsewhere; a name is sealed."""
    said = {**YES, "customers.first_name": "Nadia", "customers.phone": "06 39 98 12 34"}
    answer(mailing, "/fr/forms/account", **{**said, "yes": ["newsletter.email", "newsletter.sms"]})
    link = letter(mailing, box)
    page = mailing.get(link).text
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice
    mailing.client.post(link, data={"csrf": csrf(page), "notice": notice[1]})
    (subject,) = who(mailing.house, NEW)
    found = choices(mailing.house, subject)
    assert found[:2] == [
        ("newsletter", "email", "given", "double_opt_in"),
        ("newsletter", "sms", "given", "form"),  # the number itself was not confirmed
    ]
    assert [act for _, _, act, _ in found[2:]] == ["refused", "refused"]
    with mailing.house.reading() as conn:
        assert people_of(mailing.house, conn, "phone:+33639981234") == [subject]


def test_what_somebody_known_typed_beside_their_address_is_not_kept_and_they_are_told(
    mailing: Site, box: Mailbox
) -> None:
    """A form changes nothing that is held of them: the page behind the link says so, and whom to write to."""
    known = mailing.shop.permitted[0]
    subject = mailing.subject(known)
    typed = {"customers.email": known, "customers.first_name": "Nadia", "customers.phone": "06 39 98 12 34"}
    answer(mailing, "/fr/forms/account", **{**YES, **typed, "yes": ["newsletter.sms"]})
    link = letter(mailing, box)
    page = words(mailing.get(link).text)
    assert "vous connaît déjà sous cette adresse" in page
    assert ("Votre prénom" in page, "Votre mobile" in page, "Nadia" in page) == (True, True, False)
    notice = re.search(r'name="notice" value="([^"]+)"', page)
    assert notice
    mailing.client.post(link, data={"csrf": csrf(page), "notice": notice[1]})
    assert choices(mailing.house, subject)[-1][:3] == ("newsletter", "sms", "given")
    with mailing.house.reading() as conn:
        assert people_of(mailing.house, conn, "phone:+33639981234") == []
    answer(mailing, "/fr/forms/account", **{**YES, **typed, "customers.email": NEW, "yes": ["newsletter.email"]})
    assert "vous connaît déjà" not in words(mailing.get(letter(mailing, box)).text)  # somebody new: it is kept


def test_a_purpose_that_left_the_policy_is_not_confirmed(mailing: Site, box: Mailbox) -> None:
    """Between the letter and the click the form asks for it no more: that is said, and nothing is recorded."""
    answer(mailing, **YES)
    link = letter(mailing, box)
    policy = mailing.house.path / "policy.yaml"
    text = policy.read_text("utf-8")
    policy.write_text(text[: text.index("\nforms:")], "utf-8")
    publish(mailing.house, "owner")
    assert "Nous ne demandons plus cela" in mailing.get(link).text
    (subject,) = who(mailing.house, NEW)
    assert choices(mailing.house, subject) == []


def test_a_notice_that_changed_before_the_confirmation_is_shown(mailing: Site, box: Mailbox) -> None:
    """The page says so and shows the new words; a click on the old page records nothing."""
    answer(mailing, **YES)
    link = letter(mailing, box)
    page = mailing.get(link).text
    old = re.search(r'name="notice" value="([^"]+)"', page)
    assert old
    policy = mailing.house.path / "policy.yaml"
    text = policy.read_text("utf-8")
    start = text.index("  web-2024:\n")
    end = text.index("  web-2024-en:\n")
    block = text[start:end].replace("web-2024:", "web-2026:").replace('version: "3"', 'version: "4"')
    block = block.replace("Vos données, en clair", "Vos données, en plus clair").replace("2024-01-15", "2026-11-01")
    policy.write_text(text[:end] + block + text[end:], "utf-8")
    publish(mailing.house, "owner")
    data = {"csrf": csrf(page), "notice": old[1]}
    found = mailing.client.post(link, data=data, follow_redirects=False)
    assert found.status_code == 409
    assert "a changé depuis" in found.text
    assert "Vos données, en plus clair" in found.text
    (subject,) = who(mailing.house, NEW)
    assert choices(mailing.house, subject) == []
    new = re.search(r'name="notice" value="([^"]+)"', found.text)
    assert new
    mailing.client.post(link, data={**data, "notice": new[1]})
    assert choices(mailing.house, subject) == [("newsletter", "email", "given", "double_opt_in")]


def test_a_frame_is_for_the_listed_origins_and_sets_no_cookie(a_shop: Shop) -> None:
    """Only `embedded_by` may frame a form; no cookie is set or needed; an answer from it asks for a confirmation."""
    with (a_shop.house.path / FILE).open("a", encoding="utf-8") as file:
        file.write('\n[web]\nembedded_by = ["https://shop.example"]\n')
    a_shop.house.close()
    with (
        open_house(a_shop.house.path, clock=a_shop.clock) as house,
        TestClient(application(house), base_url="http://127.0.0.1:8080") as client,
    ):
        page = client.get("/fr/forms/letter/embed")
        policy = page.headers["content-security-policy"]
        assert "frame-ancestors 'self' https://shop.example" in policy
        assert "x-frame-options" not in page.headers
        assert "set-cookie" not in page.headers
        sent = client.post("/fr/forms/letter/embed", data={**shown(page.text), **YES})
        assert sent.status_code == 200
        assert "set-cookie" not in sent.headers
        assert len(requests(house)) == 1
        own = client.get("/fr/forms/letter")
        assert "frame-ancestors 'none'" in own.headers["content-security-policy"]
        assert own.headers["x-frame-options"] == "DENY"
        foreign = {"origin": "https://elsewhere.example", "sec-fetch-site": "cross-site"}
        refused = client.post("/fr/forms/letter/embed", data={**shown(page.text), **YES}, headers=foreign)
        assert refused.status_code == 403
        script = client.get("/fr/forms/embed.js")
        assert len(script.content) < 2048
        assert script.headers["cross-origin-resource-policy"] == "cross-origin"


def test_an_application_draws_its_own_form(site: Site) -> None:
    """JSON says all that must be shown; an answer without its ticket, or beyond it, is refused; a good one is asked."""
    said = site.get("/api/v1/forms/account?lang=en").json()
    assert said["benefit"]["lost"].startswith("The early announcement")
    assert next(box["name"] for one in said["purposes"] for box in one["boxes"]) == "newsletter.email"
    digest = said["digest"]
    assert forms.body(site.house, digest)
    send = {"ticket": said["ticket"], "yes": ["newsletter.email"], "fields": {"customers.email": NEW}, "over": True}
    beyond = {**send, "yes": ["everything"]}
    wrong: list[Any] = [{}, [], beyond, {**send, "yes": "newsletter.email"}, {**send, "over": 1}]
    for bad, status in zip(wrong, (422, 422, 400, 422, 422), strict=True):
        answered = site.client.post("/api/v1/forms/account", json=bad)
        assert answered.status_code == status
        assert answered.headers["content-type"] == "application/problem+json"
    assert site.client.post("/api/v1/forms/account", json={**send, "fields": {}}).status_code == 422
    assert site.client.post("/api/v1/forms/account", json={**send, "yes": []}).json() == {"status": "nothing_recorded"}
    assert site.client.post("/api/v1/forms/account", json={**send, "ticket": "x"}).status_code == 404
    assert (
        site.client.post("/api/v1/forms/account", content=b"{", headers={"content-type": "text/plain"}).status_code
        == 415
    )
    assert requests(site.house) == []
    assert site.client.post("/api/v1/forms/account", json=send).status_code == 202
    assert len(requests(site.house)) == 1


def test_a_burst_from_one_address_is_slowed_down(site: Site) -> None:
    """Whoever asks for letter after letter to one address is told to wait; nothing more is asked for."""
    found = [answer(site, **YES).status_code for _ in range(6)]
    assert found[:3] == [200, 200, 200]
    assert found[-1] == 429
    assert len(requests(site.house)) == 3


def test_no_personal_value_in_addresses_or_jobs(mailing: Site) -> None:
    """Jobs, entries and the table of requests hold no address."""
    answer(mailing, **YES)
    with mailing.house.reading() as conn:
        rows = [
            *db.fetch(conn, "SELECT id, target FROM job"),
            *db.fetch(conn, "SELECT * FROM optin"),
            *db.fetch(conn, "SELECT body FROM ledger_entry"),
        ]
    held = [cell if isinstance(cell, bytes) else str(cell).encode() for row in rows for cell in row]
    assert not any(b"nadia" in cell.lower() for cell in held)


def test_the_gate_lets_nothing_but_the_letter_see_an_unconfirmed_address(mailing: Site) -> None:
    """Even a permit for one person is refused for every declared purpose."""
    answer(mailing, **YES)
    (subject,) = who(mailing.house, NEW)
    for purpose in ("newsletter", "order_service", "similar_offers", "statistics", "invoices"):
        channel = "" if purpose in ("statistics", "invoices") else "email"
        found = mailing.house.permit(subject, purpose, channel=channel, by="test")
        assert isinstance(found, Decision), purpose
        assert not found.permitted
    with pytest.raises(Denied):
        email_of(mailing.house, subject, "newsletter", by="test")


def test_a_letter_that_the_gate_denies_ends_in_sight_and_the_page_says_the_same(mailing: Site, box: Mailbox) -> None:
    """Whoever had their data restricted gets no letter; the staff see why, the person may ask again, nothing breaks."""
    house, known = mailing.house, mailing.shop.permitted[0]
    subject = mailing.subject(known)
    house.choose(subject, "*", "restricted", by="person")
    for _ in range(2):
        mailing.clock.forward(1)
        assert "Regardez vos messages" in answer(mailing, **(YES | {"customers.email": known})).text
        assert work(house, threading.Event(), once=True).failed == 0
    assert box.taken == []
    over = ended_jobs(house)
    assert [(job.about, job.error) for job in over] == [(subject, "restricted")] * 2
    assert known not in str(over)
    house.choose(subject, "*", "restriction_lifted", by="person", authenticated=True)
    mailing.clock.forward(1)
    answer(mailing, **(YES | {"customers.email": known}))
    assert mailing.get(letter(mailing, box)).status_code == 200


def test_a_letter_that_a_stop_holds_up_waits(mailing: Site, box: Mailbox) -> None:
    """It has not ended: what is stopped may go on."""
    house = mailing.house
    stop(house, "*", "incident", by="dpo")
    answer(mailing, **YES)
    work(house, threading.Event(), once=True)
    with house.reading() as conn:
        assert [job.error for job in jobs.listed(conn, jobs.WAITING) if job.kind == letters.SEND] == ["stopped"]
    assert (box.taken, ended_jobs(house)) == ([], [])
    stop(house, "*", "incident", lift=True, by="dpo")
    mailing.clock.forward(1.1)
    assert mailing.get(letter(mailing, box)).status_code == 200
