"""Campaigns in the console: made, reported on, sent into a real mail server, held, ended; stops with the mouse."""

from __future__ import annotations

import re
import shutil
import threading
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, expect

from pacte.app import campaigns, messages, preparing, segments, stop, turns
from pacte.app.choose import choose
from pacte.app.house import POLICY, open_house
from pacte.app.publish import publish
from pacte.app.reports import Counted
from pacte.app.worker import work
from pacte.kernel import db
from pacte.kernel.instant import Instant
from pacte.ledger import log
from pacte.testing.shop import PURPOSE, Shop, shop
from pacte.web.console import chart
from pacte.web.console.campaign_words import lines, why
from pacte.web.server import application, serving
from tests.app.sending import Sink, message, send, sink, subjects, with_mail
from tests.web.conftest import Site
from tests.web.staff import member, signed_in

NEW = "/en/staff/campaigns/new"
SERVICE = {
    "kind: promotion": "kind: service",
    "purpose: newsletter": "purpose: order_service",
    "message: spring": "message: parcel",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, Path]:
    """A shop whose newsletter has enough readers, to be copied."""
    folder = tmp_path_factory.mktemp("campaigns")
    found = shop(folder / "house", folder / "files", people=220)
    policy = found.house.path / POLICY
    policy.write_text(policy.read_text("utf-8") + "\nsegments: {smallest: 10, rounded: 10}\n", "utf-8")
    publish(found.house, "owner")
    found.house.close()
    return found, folder / "house"


@pytest.fixture
def box() -> Iterator[Sink]:
    """A mail server that takes what comes."""
    with sink() as found:
        yield found


@pytest.fixture
def site(made: tuple[Shop, Path], box: Sink, tmp_path: Path) -> Iterator[Site]:
    """The doors of a copy of the shop, whose mail goes to the box."""
    found, home = made
    shutil.copytree(home, tmp_path / "house")
    clock = replace(found.clock)
    with open_house(tmp_path / "house", clock=clock) as opened:
        house = with_mail(opened, box)
        with TestClient(application(house), base_url="http://127.0.0.1:8080") as client:
            yield Site(replace(found, house=house, clock=clock), client)


def ready(site: Site) -> str:
    """The address of a campaign of the newsletter that waits to be sent."""
    saved = messages.save(site.house, message(), by="cli")
    made = campaigns.make(site.house, saved.digest, by="cli")
    campaigns.prepare(site.house, made.id, by="cli", people=subjects(site.house, site.shop.permitted))
    return f"/en/staff/campaigns/{made.id}"


def begun(site: Site) -> str:
    """The same, begun."""
    address = ready(site)
    campaigns.go(site.house, address.rpartition("/")[2], by="cli")
    return address


def asked(site: Site) -> str:
    """The address of a campaign of what people wait for, to everybody, which waits for a worker."""
    messages.save(site.house, message(**SERVICE), by="cli")
    answer = site.post(NEW, {"message": "parcel", "segment": "*"}, shown=f"{NEW}?message=parcel")
    return str(answer.headers["location"])


def prepare(site: Site) -> None:
    """A worker does what is due."""
    assert work(site.house, threading.Event(), once=True).failed == 0


def state(site: Site, address: str) -> str:
    """How a campaign stands."""
    with site.house.reading() as conn:
        return campaigns.of(conn, address.rpartition("/")[2]).state


def seen(site: Site, address: str) -> str:
    """The words of a page."""
    return " ".join(re.sub("<[^>]+>", " ", unescape(site.get(address).text)).split())


def test_a_marketer_makes_reports_and_sends_a_campaign(site: Site, box: Sink) -> None:
    """Message, segment, report, one more question, sent; then its results, and nobody's address on any page."""
    found = signed_in(site, "marketer")
    messages.save(site.house, message(), by=found.actor)
    lately = {"field": "orders.last_order", "within": "12 months"}
    segments.save(site.house, "lately", PURPOSE, lately, found.actor)
    assert "To whom does “spring”" in seen(site, f"{NEW}?message=spring")
    answer = site.post(NEW, {"message": "spring", "segment": "lately"}, shown=f"{NEW}?message=spring")
    address = answer.headers["location"].partition("?")[0]
    assert (answer.status_code, state(site, address)) == (303, "entering")
    assert "It is being prepared" in seen(site, address)
    prepare(site)
    report = seen(site, address)
    assert "First: whom this purpose may reach" in report
    assert report.index("May be reached") < report.index("Would be written to")
    assert site.get(f"{address}/send").status_code == 200
    assert state(site, address) == "ready"
    assert site.post(f"{address}/send").headers["location"].endswith("done=begun")
    assert 'class="far" max="100" value="0"' in site.get(address).text
    assert "It has begun" in seen(site, f"{address}?done=begun")
    send(site.house)
    assert "It has begun" not in seen(site, f"{address}?done=begun")
    assert 0 < len(box.addresses) < len(site.shop.permitted)
    assert set(box.addresses) <= set(site.shop.permitted)
    page = site.get(address).text
    assert "What became of it" in page
    assert '<rect class="share"' in page
    assert not any(one in page for one in site.shop.permitted)
    with site.house.reading() as conn:
        acts = [(entry["act"], entry["by"]) for _, entry in log.of_kind(conn, "campaign")]
    assert acts == [("started", found.actor), ("ended", "worker")]
    assert site.house.check() == []


def test_what_cannot_be_a_campaign_is_said_beside_the_field(site: Site) -> None:
    """No message, no segment, a segment of another purpose; an offer to everybody; too few people."""
    found = signed_in(site, "owner")
    messages.save(site.house, message(), by=found.actor)
    few = {"field": "customers.city", "in": ["Reykjavík"]}
    segments.save(site.house, "few", PURPOSE, few, found.actor)
    for typed in ({"message": ""}, {"message": "none"}, {"message": "spring"}, {"message": "spring", "segment": "*"}):
        answer = site.post(NEW, typed)
        assert (answer.status_code, 'class="wrong"' in answer.text) == (422, True), typed
    answer = site.post(NEW, {"message": "spring", "segment": "few"}, shown=f"{NEW}?message=spring")
    prepare(site)
    assert state(site, answer.headers["location"]) == "draft"
    assert "Fewer than about 14 people may be written to" in seen(site, answer.headers["location"])


def test_a_service_message_may_go_to_everybody(site: Site) -> None:
    """Whom its purpose permits, without a segment."""
    signed_in(site, "owner")
    messages.save(site.house, message(**SERVICE), by="cli")
    answer = site.post(NEW, {"message": "parcel", "segment": "*"}, shown=f"{NEW}?message=parcel")
    prepare(site)
    assert state(site, answer.headers["location"]) == "ready"


def test_an_open_page_waits_for_its_preparation(site: Site) -> None:
    """It asks again by itself, or by a link; asking for the same, or sending it meanwhile, is refused in words."""
    signed_in(site, "owner")
    address = asked(site)
    page = site.get(address).text
    assert f'hx-get="{address}/preparing"' in page
    assert "Load this page again" in page
    assert "No worker" not in page
    for verb in ("prepare", "send"):
        refused = site.post(f"{address}/{verb}", shown="/en/staff/stops").headers["location"]
        assert "It is being prepared: wait" in seen(site, refused)
    assert site.get(f"{address}/send").headers["location"].endswith("done=preparing")
    site.clock.now = Instant(site.clock.now + preparing.PATIENCE)
    part = site.get(f"{address}/preparing").text
    assert "pacte worker" in part
    assert "<html" not in part
    prepare(site)
    assert site.get(f"{address}/preparing").headers["hx-refresh"] == "true"
    assert site.get(f"{address}/far").headers["hx-refresh"] == "true"


def test_what_was_cut_short_elsewhere_is_asked_for_anew(site: Site) -> None:
    """Whoever prepared it died, and no job stands for it: the page says so, and a worker begins anew."""
    signed_in(site, "owner")
    address = ready(site)
    with db.write(site.house.engine) as conn:
        campaigns.claim(conn, address.rpartition("/")[2], "gone", "cli", site.clock())
    assert "was cut short" not in seen(site, address)
    site.clock.now = Instant(site.clock.now + turns.HELD)
    assert site.get(f"{address}/preparing").headers["hx-refresh"] == "true"
    assert "Preparing it was cut short" in seen(site, address)
    assert site.post(f"{address}/prepare", shown=address).status_code == 303
    assert 'hx-trigger="every 2s"' in site.get(address).text


def test_what_the_gate_refuses_is_told_on_the_page(site: Site) -> None:
    """A policy that lets nobody be written to by that channel any more: a draft again, in the words of the reader."""
    signed_in(site, "owner")
    address = asked(site)
    with db.write(site.house.engine) as conn:
        db.run(conn, "UPDATE campaign SET channel = 'phone'")
    prepare(site)
    assert state(site, address) == "draft"
    assert "non déclaré" in seen(site, address.replace("/en/", "/fr/"))
    assert "not permit it: a field, channel or recipient" in seen(site, address)


def test_the_report_says_why_and_by_which_law(site: Site) -> None:
    """Many who say no after it was prepared are counted under that reason, with its article; few are not told."""
    signed_in(site, "owner")
    address = ready(site)
    people = site.shop.permitted
    for one in people[:40]:
        choose(site.house, f"email:{one}", PURPOSE, "withdrawn", by="person", method="web_form")
    choose(site.house, f"email:{people[40]}", PURPOSE, "refused", by="person", method="web_form")
    reach, _, report = site.get(address).text.partition("Then: who would be written to now")
    assert "said yes, then withdrew" in reach
    assert "said yes, then withdrew" in report
    assert "Art. 7(3)" in report
    assert "said no" not in report
    assert "Each other outcome and reason" in report
    rows = site.get(f"{address}/numbers.csv").text.splitlines()
    told = [row.rpartition(",")[0] for row in rows]
    assert told[:2] == ["step,outcome,reason", "purpose,known,"]
    assert "purpose,refused,withdrawn" in told
    assert told[-3:] == ["purpose,permitted,", "campaign,permitted,", "campaign,refused,withdrawn"]


def test_one_person_changes_no_line_of_a_report(site: Site) -> None:
    """Whether one of them said no since: the page is the same, and so is the end."""
    signed_in(site, "owner")
    address = ready(site)
    table = re.compile("<table.*</table>", re.DOTALL)
    before = table.findall(site.get(address).text)
    choose(site.house, f"email:{site.shop.permitted[4]}", PURPOSE, "withdrawn", by="person", method="web_form")
    site.clock.forward(1)
    signed_in(site, "owner")
    assert table.findall(site.get(address).text) == before


def test_the_officer_stops_the_purpose_and_the_sending_stops(site: Site, box: Sink) -> None:
    """In the middle of it, by the form: the message on its way is the last; it is held, says so, and goes on later."""
    officer = signed_in(site, "dpo")
    address, asked = begun(site), threading.Event()

    def does(_address: str) -> str:
        if len(box.taken) == 9 and not asked.is_set():
            asked.set()
            assert site.post("/en/staff/stops", {"scope": PURPOSE, "reason": "complaint"}).status_code == 303
        return "250 taken"

    box.does = does
    send(site.house)
    assert len(box.taken) == 10
    assert state(site, address) == "held"
    page = site.get(address).text
    assert "Its purpose is stopped since" in page
    assert 'href="/en/staff/stops"' in page
    assert "/resume" not in page
    assert f"by {officer.name}. Reason: a complaint" in seen(site, "/en/staff/stops")
    signed_in(site, "marketer")
    assert f"{officer.name}, data protection officer" in seen(site, "/en/staff/stops")
    assert site.post("/en/staff/stops/lift", {"scope": PURPOSE}, shown="/en/staff/campaigns/new").status_code == 403
    refused = site.post(f"{address}/resume", shown=f"{address}")
    assert refused.headers["location"].endswith("done=stopping")
    signed_in(site, "dpo")
    site.post("/en/staff/stops/lift", {"scope": PURPOSE, "reason": "resolved"}, shown="/en/staff/stops")
    signed_in(site, "marketer")
    assert "That stop is lifted" in seen(site, address)
    assert site.post(f"{address}/resume", shown=address).headers["location"].endswith("done=resumed")
    send(site.house)
    assert sorted(box.addresses) == sorted(site.shop.permitted)
    assert site.house.check() == []


def test_a_stop_is_asked_for_in_whole_and_recorded_once(site: Site) -> None:
    """What to stop and why are said beside their fields; a stop in force is not made anew, nor lifted twice."""
    found = signed_in(site, "owner")
    for typed in ({}, {"scope": "pigeons", "reason": "error"}, {"scope": PURPOSE}, {"scope": "*", "reason": "Ada"}):
        answer = site.post("/en/staff/stops", typed)
        assert (answer.status_code, 'aria-invalid="true"' in answer.text) == (422, True), typed
    for _ in "ab":
        site.post("/fr/staff/stops", {"scope": "*", "reason": "incident"})
    assert [one.scope for one in stop.stops_in_force(site.house)] == ["*"]
    assert "Tout ce qu’un arrêt concerne" in seen(site, "/fr/staff/stops")
    lifting = {"scope": "*", "reason": "mistake"}
    ends = [site.post("/en/staff/stops/lift", lifting, shown="/en/staff/stops").headers["location"] for _ in "ab"]
    assert [one.partition("=")[2] for one in ends] == ["lifted", "gone"]
    with site.house.reading() as conn:
        entries = [entry for kind in ("stop", "stop_lifted") for _, entry in log.of_kind(conn, kind)]
    assert [(one["reason"], one["by"]) for one in entries] == [("incident", found.actor), ("mistake", found.actor)]


def test_who_may_only_halt_halts(site: Site, box: Sink) -> None:
    """The officer holds a campaign and ends it, and neither makes, sends nor resumes one."""
    signed_in(site, "dpo")
    address = begun(site)
    assert site.post(f"{address}/hold", {"reason": "mistake"}, shown=address).headers["location"].endswith("done=held")
    assert "Reason: a mistake in it" in seen(site, address)
    assert site.post(f"{address}/resume", shown=address).status_code == 403
    assert site.get(NEW).status_code == 403
    assert site.post(f"{address}/stop", {"reason": "made up"}, shown=address).status_code == 303
    assert state(site, address) == "stopped"
    again = site.post(f"{address}/stop", shown="/en/staff/stops")
    assert again.headers["location"].endswith("done=changed")
    send(site.house)
    assert box.taken == []


def test_progress_is_told_to_an_open_page_until_it_is_over(site: Site) -> None:
    """The part of the page while it is sent; then the word that the whole page is to be loaded anew."""
    signed_in(site, "owner")
    address = begun(site)
    part = site.get(f"{address}/far")
    assert "<progress" in part.text
    assert "<html" not in part.text
    campaigns.hold(site.house, address.rpartition("/")[2], "by_hand", by="cli")
    assert site.get(f"{address}/far").headers["hx-refresh"] == "true"


def test_a_page_comes_to_its_report_with_and_without_scripts(site: Site, browser: Browser) -> None:
    """In a browser: asked for with the mouse, the page waits and turns into the report; without scripts, by a link."""
    from pacte.web import session

    messages.save(site.house, message(**SERVICE), by="cli")
    owner = member(site.house, "owner")
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", owner.id, "full", site.clock(), "Firefox Linux")
    with serving(site.house, worker=False) as url:
        for scripts in (True, False):
            context = browser.new_context(java_script_enabled=scripts)
            context.add_cookies([{"name": "pacte-staff", "value": secret, "url": url}])
            page = context.new_page()
            page.goto(f"{url}{NEW}?message=parcel")
            page.get_by_role("button", name="Prepare it").click()
            expect(page.get_by_role("heading", name="It is being prepared")).to_be_visible()
            prepare(site)
            if not scripts:
                page.get_by_role("link", name="Load this page again").click()
            expect(page.get_by_role("heading", name="Then: who would be written to now")).to_be_visible(timeout=30_000)
            context.close()


def test_a_sending_is_stopped_with_the_mouse(site: Site, box: Sink, browser: Browser) -> None:
    """In a browser: its bar moves by itself, the officer stops the purpose, and the open page says that it is held."""
    from pacte.web import session

    address, officer, stopped = begun(site), member(site.house, "dpo"), threading.Event()

    def does(_address: str) -> str:
        if len(box.taken) == 24:
            stopped.wait(60)
        return "250 taken"

    box.does = does
    with db.write(site.house.engine) as conn:
        secret, _ = session.drawn(conn, "staff", officer.id, "full", site.clock(), "Firefox Linux")
    with serving(site.house, worker=False) as url:
        context = browser.new_context()
        context.add_cookies([{"name": "pacte-staff", "value": secret, "url": url}])
        watching, acting = context.new_page(), context.new_page()
        watching.goto(url + address)
        acting.goto(f"{url}/en/staff/stops")
        acting.get_by_label("What").select_option(label=_title(site))
        acting.get_by_label("Why").select_option("precaution")
        worker = threading.Thread(target=send, args=(site.house,))
        worker.start()
        expect(watching.locator("#far progress")).not_to_have_attribute("value", "0", timeout=30_000)
        acting.get_by_role("button", name="Stop it now").click()
        acting.get_by_text("It is stopped.").wait_for()
        stopped.set()
        worker.join()
        assert len(box.taken) == 25  # the one that was on its way
        expect(watching.locator("h1")).to_contain_text("held", timeout=30_000)
        assert watching.get_by_text("A stop is in force").is_visible()
        context.close()


def _title(site: Site) -> str:
    from pacte.app.policies import document

    return document(site.house).purposes[PURPOSE].title["en"]


def test_reasons_have_words_in_both_languages(site: Site) -> None:
    """A mail server's code by what it says, a rule by where it stands; a bar is drawn from numbers and bare words."""
    assert why("refused_5_1_1", "en") == "There is no such mailbox (5.1.1)"
    assert why("status_5.2.2", "fr").startswith("La boîte aux lettres est pleine")
    assert why("cap_reached", "fr") != "cap_reached"
    numbers = {("sent", ""): 120, ("refused", "cap_reached"): 60}
    signed_in(site, "owner")
    with site.house.reading() as conn:
        from pacte.app.policies import published

        table = published(conn, site.house.present(conn)).table
    told = lines(Counted(180, numbers), table, PURPOSE, "email", "en")
    assert [(one.people, bool(one.behind)) for one in told] == [(120, False), (60, True)]
    waiting = Counted(120, {("queued", ""): 120})
    ended = lines(waiting, table, PURPOSE, "email", "en", over=True)
    assert [one.outcome for one in ended] == ["No longer written to"]
    drawn = chart.bars([(one.label, one.people) for one in told] + [("<b>" * 40, 1)], "en")
    assert "<b>" not in drawn
    assert drawn.count("<rect") == 3


def test_what_waits_may_be_removed(site: Site) -> None:
    """A campaign that is ready is taken away; one that began is not."""
    signed_in(site, "owner")
    address = ready(site)
    answer = site.post(f"{address}/remove", shown=address)
    assert answer.headers["location"].endswith("campaigns?removed")
    assert site.get(address).status_code == 404
    other = begun(site)
    assert site.post(f"{other}/remove", shown=other).headers["location"].endswith("done=changed")


def test_what_the_settings_lack_is_said_before_it_begins(site: Site) -> None:
    """Links that lead to this machine while the mail server is another are told with the question whether to send."""
    signed_in(site, "owner")
    address = ready(site)
    assert "lead to this machine" not in seen(site, f"{address}/send")
    mail = site.house.settings.mail.model_copy(update={"host": "mail.shop.example"})
    house = replace(site.house, settings=site.house.settings.model_copy(update={"mail": mail}))
    with TestClient(application(house), base_url="http://127.0.0.1:8080") as client:
        other = Site(replace(site.shop, house=house), client)
        signed_in(other, "marketer")
        assert "lead to this machine (http://127.0.0.1:8080)" in seen(other, f"{address}/send")
