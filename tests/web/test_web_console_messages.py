"""The console's page of messages: written without a script, looked at, tested, saved; what is locked stays."""

from __future__ import annotations

import html
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pacte.app import messages
from pacte.app.policies import document
from pacte.uses.message.model import Message, read
from pacte.web.server import application
from tests.uses.test_uses_message_checks import GOOD
from tests.web.conftest import Site, csrf
from tests.web.staff import signed_in
from tests.web.template import Template

WRITE = "/en/staff/messages/write"
HERE = "/en/staff/messages"


def fields(page: str) -> dict[str, str]:
    """What a browser would send of the form that writes a message, no button pressed."""
    form = page.partition('id="parts">')[2].partition("</form>")[0]
    found = {}
    for tag in re.findall(r"<input [^>]*>", form):
        name, value = (re.search(rf'\b{one}="([^"]*)"', tag) for one in ("name", "value"))
        if name:
            found[name[1]] = html.unescape(value[1]) if value else ""
    for name, value in re.findall(r'<textarea [^>]*name="([^"]+)"[^>]*>\n(.*?)</textarea>', form, re.DOTALL):
        found[name] = html.unescape(value)
    return found


def saved(site: Site) -> Message:
    """A message that the house has."""
    message = read(GOOD.encode())
    messages.save(site.house, message, by="owner")
    return message


def press(site: Site, page: str, do: str, **typed: str) -> Any:
    """Press a button of the form on a page, after typing."""
    return site.client.post(WRITE, data={**fields(page), **typed, "do": do}, follow_redirects=False)


def frames(page: str) -> list[str]:
    """The mails that a page shows."""
    return [html.unescape(one) for one in re.findall(r'srcdoc="([^"]*)"', page)]


@pytest.fixture
def begun(site: Site) -> str:
    """The page of a new promotion, as a marketer gets it."""
    signed_in(site, "marketer")
    return str(site.post(f"{HERE}/new", {"name": "winter", "for": "newsletter:email"}, shown=HERE).text)


def words(**other: str) -> dict[str, str]:
    """Words for the parts that a new message has."""
    found = {}
    for lang in ("en", "fr"):
        found |= {
            f"text/{lang}/subject": f"Tables {lang}",
            f"block/0/{lang}/text": f"Hello {{customers.first_name|you}} {lang}",
            f"block/1/{lang}/text": f"They are here.\r\n\r\nCome {lang}",
            f"block/2/{lang}/text": f"See {lang}",
            f"block/2/{lang}/link": "https://shop.example/tables",
        }
    return found | other


def test_a_message_is_written_looked_at_and_saved(site: Site, begun: str) -> None:
    """From an empty form to version one, in both languages; the kind follows from the purpose."""
    assert fields(begun)["kind"] == "promotion"
    looked = press(site, begun, "look", **words()).text
    assert len(frames(looked)) == 6
    assert ["Hello Camille fr" in shown for shown in frames(looked)] == [True] * 3 + [False] * 3
    done = press(site, looked, "save")
    assert done.status_code == 303
    assert "Saved as version 1" in site.get(done.headers["location"]).text
    (one,) = messages.listed(site.house)
    message = messages.by_digest(site.house, one.digest)
    assert message.texts["fr"].blocks[1].text == "They are here.\n\nCome fr"
    assert one.by.startswith("staff:")
    assert 'href="/en/staff/messages/winter"' in site.get(HERE).text


def test_parts_are_added_moved_and_taken_out(site: Site, begun: str) -> None:
    """Each button keeps what was typed; an offer may be added to a promotion."""
    page = press(site, begun, "add:offer", **words()).text
    assert fields(page)["block/3/kind"] == "offer"
    page = press(site, page, "up:3", **{"block/3/fr/text": "Moins vingt"}).text
    assert (fields(page)["block/2/kind"], fields(page)["block/2/fr/text"]) == ("offer", "Moins vingt")
    page = press(site, page, "remove:0").text
    assert [fields(page).get(f"block/{n}/kind") for n in range(4)] == ["text", "offer", "button", None]
    page = press(site, page, "remove:77").text
    page = press(site, page, "down:2").text
    assert fields(page)["block/1/en/text"] == ""
    assert fields(page)["text/fr/subject"] == "Tables fr"


def test_a_service_message_is_offered_no_offer(site: Site) -> None:
    """Its kind follows from its purpose, whatever a browser sends."""
    signed_in(site, "marketer")
    page = site.post(f"{HERE}/new", {"name": "parcel", "for": "order_service:email"}, shown=HERE).text
    assert fields(page)["kind"] == "service"
    assert 'value="add:offer"' not in page
    page = press(site, page, "add:offer", **words()).text
    refused = press(site, page, "save", **{"block/3/en/text": "a", "block/3/fr/text": "a"})
    assert refused.status_code == 422
    assert "carries no offer" in refused.text
    forged = press(site, page, "save", kind="promotion")
    assert forged.status_code == 422
    assert messages.listed(site.house) == []


def test_mistakes_stand_at_their_fields(site: Site, begun: str) -> None:
    """A summary leads to each; nothing is saved, and nothing that was typed is lost."""
    typed = words(
        **{"block/2/fr/link": "http://shop.example", "text/en/subject": "", "block/1/fr/text": "{orders.total}"}
    )
    page = press(site, begun, "save", **typed)
    assert page.status_code == 422
    for name in ("block/2/fr/link", "text/en/subject", "block/1/fr/text"):
        assert f'<a href="#{name}">' in page.text
        assert f'id="{name}-problem"' in page.text
        assert fields(page.text)[name] == typed[name]
    assert messages.listed(site.house) == []


def test_what_is_locked_is_in_every_preview(site: Site, begun: str) -> None:
    """No field and no button takes away who writes, why, the notice or the end; the preview shows them."""
    page = press(site, begun, "look", **words(), frame="", unsubscribe="", footer="none").text
    company = document(site.house).controller.name
    for shown in frames(page):
        assert company in html.unescape(shown)
        for path in ("/why/", "/notice", "/u/"):
            assert path in shown


def test_a_preview_runs_and_loads_nothing(site: Site, begun: str) -> None:
    """What is typed is shown as words, in a frame that may do nothing, under styles known by their digests."""
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>"
    answer = press(site, begun, "look", **words(**{"block/0/en/text": evil, "text/en/subject": evil}))
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert policy.count("'sha256-") == 3
    assert 'sandbox srcdoc="' in answer.text
    assert "<script>alert" not in answer.text
    assert all("<script" not in shown and "<img" not in shown for shown in frames(answer.text))


def test_the_mail_of_the_preview_follows_the_frame(site: Site, begun: str) -> None:
    """The dark frame is dark on any screen, the others are light."""
    phone, dark, desk = frames(press(site, begun, "look", **words()).text)[:3]
    assert phone == desk
    assert "prefers-color-scheme" not in phone + dark
    assert "#141815" in dark
    assert "#141815" not in phone


def test_somebody_elses_version_is_not_written_over(site: Site) -> None:
    """Who began from an older version is told, and keeps their words."""
    signed_in(site, "marketer")
    saved(site)
    page = site.get(f"{HERE}/winter").text
    typed = {"block/0/en/text": "Mine"}
    assert press(site, page, "save", **{"block/0/en/text": "Theirs"}).status_code == 303
    answer = press(site, page, "save", **typed)
    assert answer.status_code == 409
    assert fields(answer.text)["block/0/en/text"] == "Mine"
    assert messages.listed(site.house)[0].version == 2


def test_a_saved_message_comes_back_as_it_was(site: Site) -> None:
    """Saving it unchanged saves nothing more."""
    signed_in(site, "marketer")
    message = saved(site)
    page = site.get(f"{HERE}/winter").text
    assert press(site, page, "save").status_code == 303
    (one,) = messages.listed(site.house)
    assert (one.version, one.digest) == (1, message.digest)


def test_a_message_is_removed(site: Site) -> None:
    """It is no longer listed."""
    signed_in(site, "marketer")
    saved(site)
    assert site.post(f"{HERE}/remove", {"name": "winter"}, shown=f"{HERE}/winter").status_code == 303
    assert f"{HERE}/winter" not in site.get(HERE).text
    assert site.post(f"{HERE}/remove", {"name": "winter"}, shown=HERE).status_code == 404


def test_a_test_goes_to_whoever_asks(site: Site, begun: str) -> None:
    """Without a mail server, it is said; a message with mistakes is not tested either."""
    assert press(site, begun, "test").status_code == 422
    answer = press(site, begun, "test", **words())
    assert answer.status_code == 422
    assert "names no mail server" in answer.text


@pytest.mark.parametrize("role", ["analyst", "agent", "auditor", "dpo"])
def test_other_roles_write_no_messages(site: Site, role: str) -> None:
    """Neither the page nor its buttons."""
    signed_in(site, role)
    token = csrf(site.get("/en/staff/account").text)
    assert site.get(HERE).status_code == 403
    for path in ("new", "write", "remove"):
        answer = site.client.post(f"{HERE}/{path}", data={"csrf": token, "name": "winter"}, follow_redirects=False)
        assert answer.status_code == 403


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("Winter Tables", "newsletter:email"), ("winter", "newsletter:post"), ("winter", "nothing:email"), ("winter", "")],
)
def test_a_new_message_needs_a_name_and_something_to_be_for(site: Site, name: str, wanted: str) -> None:
    """Only a purpose and a channel of the policy in force."""
    signed_in(site, "marketer")
    answer = site.post(f"{HERE}/new", {"name": name, "for": wanted}, shown=HERE)
    assert answer.status_code == 422
    assert 'class="problems"' in answer.text


def test_a_name_is_taken_once(site: Site) -> None:
    """Whoever wants to write over a message opens it."""
    signed_in(site, "marketer")
    saved(site)
    answer = site.post(f"{HERE}/new", {"name": "winter", "for": "newsletter:email"}, shown=HERE)
    assert "has this name already" in answer.text


def test_a_short_text_is_counted_in_parts(site: Site) -> None:
    """What it costs shows while it is written."""
    signed_in(site, "marketer")
    page = site.post(f"{HERE}/new", {"name": "short", "for": "newsletter:sms"}, shown=HERE).text
    assert "text/en/subject" not in page
    page = press(site, page, "look", **{"block/0/en/text": "o" * 200, "block/0/fr/text": "o" * 100}).text
    assert "Counts as 3 text messages" in page
    assert "Counts as 2 text messages" in page
    assert "STOP" in page


def test_how_mail_leaves_is_judged(shop_template: Template, tmp_path: Path) -> None:
    """What mail services would refuse is said, and the records to publish are shown."""
    said = '\n[mail]\nhost = "smtp.shop.example"\nfrom = "news@shop.example"\nbounces = "b@elsewhere.example"\n'
    with (
        shop_template.open(tmp_path / "house", said) as shop,
        TestClient(application(shop.house), base_url="http://127.0.0.1:8080") as client,
    ):
        site = Site(shop, client)
        signed_in(site, "marketer")
        page = site.get("/en/staff/delivery").text
    for shown in ("Mail is not signed", "elsewhere.example", "is not https", "v=spf1 a:smtp.shop.example ~all"):
        assert shown in html.unescape(page)
