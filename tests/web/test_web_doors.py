"""The doors themselves: languages, headers, errors, forms that are ours, sessions that end."""

from __future__ import annotations

import pytest
from fastapi import Request, Response

from pacte.app import links
from pacte.kernel import db
from pacte.kernel.instant import DAY, SECOND
from pacte.web import security, session
from pacte.web.server import serving
from pacte.web.session import FRESH, IDLE
from tests.web.conftest import Site, csrf, spoiled


def test_an_address_without_a_language_leads_to_one(site: Site) -> None:
    """The browser's wish counts, then the house's language; a language that is neither leads to one that is."""
    for path, wish, led in (
        ("/", "en-GB,fr;q=0.5", "/en/"),
        ("/", "de,fr;q=0.2,en;q=0.1", "/fr/"),
        ("/", "de", "/fr/"),
        ("/notice?x=1", "en", "/en/notice?x=1"),
        ("/de/notice", "de", "/fr/notice"),
        ("/de", "en;q=broken, en", "/en/"),
    ):
        answer = site.get(path, headers={"accept-language": wish})
        assert (answer.status_code, answer.headers["location"]) == (307, led)


def test_every_answer_is_guarded(site: Site) -> None:
    """Pages, errors and files carry the headers; a page says its language; nothing points elsewhere."""
    for path in ("/en/", "/fr/", "/en/nothing-here", "/static/app.css", "/health"):
        answer = site.get(path)
        assert {name: answer.headers[name] for name in security.HEADERS} == dict(security.HEADERS)
    assert '<html lang="fr">' in site.get("/fr/").text
    assert site.get("/fr/nothing").status_code == 404
    assert "Cette page n’existe pas" in site.get("/fr/nothing").text


def test_files_may_be_kept_as_long_as_they_stay_the_same(site: Site) -> None:
    """A file's address holds its digest; only then may it be kept for ever."""
    page = site.get("/en/").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    assert "immutable" in site.get(address).headers["cache-control"]
    assert len(site.get(address).content) <= 10_240


def _echo(app: object, site: Site) -> None:
    @site.client.app.post("/{lang}/echo")  # type: ignore[attr-defined] # an application
    def echo(form: security.Posted) -> Response:
        return Response(str(form.get("said")))

    @site.client.app.get("/{lang}/echo")  # type: ignore[attr-defined]
    def shown(request: Request) -> Response:
        response = Response(f'<input type="hidden" name="csrf" value="{security.form_token(request)}">')
        security.remember_visitor(request, response)
        return response


def test_only_a_form_of_ours_is_taken(site: Site) -> None:
    """Without the token, with somebody else's, from another site, or a day late: refused; once more: taken."""
    _echo(site.client.app, site)
    assert site.post("/en/echo", {"said": "yes"}).text == "yes"
    token = csrf(site.get("/en/echo").text)
    assert site.client.post("/en/echo", data={"said": "yes"}).status_code == 403
    assert site.client.post("/en/echo", data={"csrf": spoiled(token)}).status_code == 403
    for headers in ({"origin": "https://elsewhere.example"}, {"sec-fetch-site": "cross-site"}, {"origin": "null"}):
        assert site.post("/en/echo", {"said": "yes"}, headers=headers).status_code == 403
    other = type(site.client)(site.client.app, base_url="http://127.0.0.1:8080")
    assert other.post("/en/echo", data={"csrf": token}).status_code == 403
    site.clock.forward(2)
    assert site.client.post("/en/echo", data={"csrf": token}).status_code == 403
    assert site.post("/en/echo", {"said": "x" * (security.LARGEST + 1)}).status_code == 413


def test_a_link_opens_what_it_is_for_until_its_time_is_over(site: Site) -> None:
    """Another kind, one changed letter, an hour too late, a second time: refused; its words cannot be read."""
    house = site.house
    token = links.seal(house, "confirm", {"subject": "0" * 32}, 3_600 * SECOND)
    assert links.opened(house, "confirm", token)["subject"] == "0" * 32
    assert "000000" not in token
    for kind, wrong in [("choices", token), ("confirm", spoiled(token)), ("confirm", token + "="), ("confirm", "")]:
        with pytest.raises(links.Forged):
            links.opened(house, kind, wrong)
    with db.write(house.engine) as conn:
        links.spend(house, conn, "confirm", token)
    with pytest.raises(links.Expired) as spent, db.write(house.engine) as conn:
        links.spend(house, conn, "confirm", token)
    assert spent.value.spent
    site.clock.forward(1)
    with pytest.raises(links.Expired):
        links.opened(house, "confirm", token)


def test_the_server_starts_at_once(site: Site) -> None:
    """`pacte serve` answers in less than five seconds."""
    import time
    from urllib.request import urlopen

    began = time.monotonic()
    with serving(site.house) as url, urlopen(f"{url}/fr/") as answer:  # noqa: S310 # this machine's own port
        assert answer.status == 200
    assert time.monotonic() - began < 5


def test_a_sign_in_ends(site: Site) -> None:
    """A session ends by itself, when nobody uses it, and when it is ended; what the table holds opens nothing."""
    _whoami(site)
    assert site.get("/en/who").status_code == 303
    site.as_person(site.shop.permitted[0])
    assert site.get("/en/who").text == "fresh"
    site.clock.forward(FRESH / DAY)
    assert site.get("/en/who").text == "link"
    site.clock.forward(IDLE["person"] / DAY)
    assert site.get("/en/who").status_code == 303
    subject = site.as_person(site.shop.permitted[0])
    with db.write(site.house.engine) as conn:
        assert [one.strength for one in session.listed(conn, subject)] == ["fresh", "fresh"]
        assert session.end_all(conn, subject) == 2
    assert site.get("/en/who").status_code == 303
    site.as_person(site.shop.permitted[0])
    with db.read(site.house.engine) as conn:
        (held,) = session.listed(conn, subject)
    site.client.cookies.set("pacte-person", held.name)
    assert site.get("/en/who").status_code == 303


def _whoami(site: Site) -> None:
    @site.client.app.get("/{lang}/who")  # type: ignore[attr-defined] # an application
    def who(request: Request) -> Response:
        found = session.person(request)
        return Response("fresh" if found.fresh(site.clock()) else "link")
