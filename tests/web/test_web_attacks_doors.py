"""What somebody tried at the doors: other hosts, borrowed addresses, bodies without end, numbers without end."""

from __future__ import annotations

import logging
import socket
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from fastapi import Request, Response
from fastapi.testclient import TestClient

from pacte.app.house import open_house
from pacte.kernel import db, jobs
from pacte.web import outermost, security, server
from pacte.web.auth import by_link
from pacte.web.server import application, serving
from tests.web.conftest import Site


def _from(site: Site, address: str) -> Site:
    """Another browser, at another address."""
    client = TestClient(site.client.app, base_url="http://127.0.0.1:8080", client=(address, 50_000))
    return Site(site.shop, client)


def _to(url: str, sent: bytes) -> socket.socket:
    parts = urlsplit(url)
    there = socket.create_connection((str(parts.hostname), int(parts.port or 0)), timeout=10)
    there.sendall(sent)
    return there


def _all(there: socket.socket) -> bytes:
    """What is answered until the other side hangs up."""
    with there:
        return b"".join(iter(lambda: there.recv(65_536), b""))


def test_a_header_borrows_no_address(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a trusted proxy nobody gets a budget of their own by naming another address."""
    seen: set[str] = set()

    def noted(_: Any, name: str, count: int, seconds: float) -> float:
        seen.add(name)
        return 0.0

    monkeypatch.setattr(security.Pace, "allow", noted)
    for said in ("203.0.113.7", "203.0.113.8"):
        assert httpx.get(f"{served}/checkpoint", headers={"x-forwarded-for": said}).status_code == 200
    assert len(seen) == 1


def test_a_network_is_one_caller(site: Site) -> None:
    """Addresses of one IPv6 network share a budget; another network, and IPv4 written as IPv6, do not."""
    told: list[str] = []

    @site.client.app.get("/health/caller")  # type: ignore[attr-defined] # an application
    def caller(request: Request) -> Response:
        told.append(security.caller(request))
        return Response()

    for address in ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", "2001:db8:1:3::1", "::ffff:192.0.2.1", "192.0.2.1", "x"):
        _from(site, address).get("/health/caller")
    assert told == ["2001:db8:1:2::/64"] * 2 + ["2001:db8:1:3::/64", "192.0.2.1", "192.0.2.1", "x"]


def test_no_answer_leads_to_another_host(site: Site) -> None:
    """Whatever host is asked for, an answer names none; where the settings name the house, another host is refused."""
    elsewhere = {"host": "evil.example"}
    for path in ("/", "/en", "/en/notice/", "/en/me/choices/?x=1", "/api/v1/key/", "/static"):
        assert "evil" not in site.get(path, headers=elsewhere).headers.get("location", "")
    assert site.get("/en").headers["location"] == "/en/"
    settings = site.house.path / "settings.toml"
    settings.write_text(settings.read_text() + '\n[web]\nurl = "https://privacy.shop.example"\n')
    site.house.close()
    with (
        open_house(site.house.path, clock=site.clock) as house,
        TestClient(application(house), base_url="http://127.0.0.1:8080") as client,
    ):
        for host in ("evil.example", "privacy.shop.example.evil.example", "["):
            answer = client.get("/fr/", headers={"host": host})
            assert (answer.status_code, "autre adresse" in answer.text) == (421, True), host
            assert answer.headers["strict-transport-security"]
        assert client.post("/en/sign-in", headers=elsewhere).status_code == 421
        for host in ("privacy.shop.example", "PRIVACY.shop.example:443", "127.0.0.1:8080"):
            assert client.get("/fr/", headers={"host": host}).status_code == 200, host
        assert client.get("/health", headers={"host": "10.0.0.7"}).status_code == 200


def test_a_form_outlives_a_letter_that_is_opened_beside_it(site: Site) -> None:
    """The cookie that a form is bound to comes along from a link in a letter, so that no second one takes its place."""
    cookies = site.get("/en/sign-in").headers.get_list("set-cookie")
    (visitor,) = (one.lower() for one in cookies if "visitor" in one)
    assert "samesite=lax" in visitor
    assert "httponly" in visitor


def test_numbers_and_nests_without_end_are_answered_in_words(site: Site) -> None:
    """A huge number, a nest of brackets, half a character: the caller's mistake, never ours."""
    from pacte.app import links
    from pacte.kernel.instant import DAY, Instant

    site.as_person(site.shop.permitted[0])
    for path in (f"/en/me/use/{10**30}/proof", f"/en/me/use/{10**30}/exhibit", f"/en/me/receipt/{10**30}"):
        assert site.get(path).status_code == 404, path
    nest = {"headers": {"authorization": "Bearer x", "content-type": "application/json"}, "content": b"[" * 200_000}
    assert site.client.post("/badge/newsletter", **nest).status_code == 400
    long = {"from": "9" * 5_000, "to": "1", "channel": "email"}
    assert site.post("/en/me/preferences", long).status_code == 400
    huge = {"headers": {"content-length": "9" * 5_000}}
    assert site.post("/en/sign-out", shown="/en/", **huge).status_code == 413
    with db.write(site.house.engine) as conn:
        assert links.once(conn, "word:\ud800", Instant(site.clock() + DAY))
        assert not links.once(conn, "word:\ud800", Instant(site.clock() + DAY))


def _broken(app: Any) -> None:
    @app.get("/{lang}/broken")
    def broken() -> Response:
        raise KeyError("camille@example.org")


def test_an_answer_that_nobody_foresaw_is_guarded(site: Site) -> None:
    """It carries every header that the others carry."""
    _broken(site.client.app)
    client = TestClient(site.client.app, base_url="http://127.0.0.1:8080", raise_server_exceptions=False)
    answer = client.get("/fr/broken")
    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in security.HEADERS} == dict(security.HEADERS)


def test_an_error_ends_at_the_doors(
    site: Site, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """The log says in one line where; no traceback, nothing that was sent; also where the error page itself fails."""
    made = server.application

    def with_a_flaw(house: Any) -> Any:
        app = made(house)
        _broken(app)
        return app

    monkeypatch.setattr(server, "application", with_a_flaw)
    with serving(site.house, worker=False) as url, caplog.at_level(logging.INFO):
        assert "Something went wrong here" in httpx.get(f"{url}/en/broken").text
        monkeypatch.setattr("pacte.web.errors.page", lambda *_, **__: 1 / 0)
        bare = httpx.get(f"{url}/en/broken")
        assert (bare.status_code, bare.headers["cache-control"]) == (500, "no-store")
        left = b"POST /en/sign-in HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 900\r\n"
        _to(url, left + b"Content-Type: application/x-www-form-urlencoded\r\n\r\nemail=").close()
        assert httpx.get(f"{url}/health").status_code == 200
    errors = [one for one in caplog.records if one.levelno >= logging.ERROR]
    told = [one.getMessage().replace(",", " at").split(" at")[0] for one in errors]
    assert told == ["unforeseen KeyError"] * 2 + ["unforeseen ZeroDivisionError"]
    assert all(one.exc_info is None for one in errors)
    assert "Traceback" not in capfd.readouterr().err + caplog.text
    assert "camille" not in caplog.text


def test_a_body_arrives_in_time(served: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sends a form letter by letter is told so and cut off; who is quick is served."""
    monkeypatch.setattr(outermost, "WITHIN", 0.5)
    for path, kind in (("/en/sign-in", "application/x-www-form-urlencoded"), ("/badge/newsletter", "application/json")):
        head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: {kind}\r\nContent-Length: 1000\r\n"
        answer = _all(_to(served, f"{head}Authorization: Bearer x\r\n\r\na=".encode()))
        assert answer.startswith(b"HTTP/1.1 408"), path
        assert b"did not arrive in time" in answer or "pas arrivé à temps".encode() in answer
    assert httpx.get(f"{served}/en/").status_code == 200


def test_only_so_many_are_served_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Connections have an end, before the files that a process may open do."""
    monkeypatch.setattr(server, "AT_ONCE", 4)
    with serving(site.house, worker=False) as url:
        held = [_to(url, b"GET /health HTTP/1.1\r\n") for _ in range(4)]
        assert httpx.get(f"{url}/health").status_code == 503
        for one in held:
            one.close()


def _letters(site: Site) -> int:
    with site.house.reading() as conn:
        return len([one for one in jobs.listed(conn) if one.kind == "send_mail"])


def test_nobody_is_locked_out_of_signing_in_by_another(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks too often for letters to somebody's address is slowed down, and the owner still gets theirs."""
    monkeypatch.setattr(security, "FLOOR", 0.0)
    email = {"email": site.shop.permitted[0]}
    mallory = _from(site, "203.0.113.7")
    assert [mallory.post("/en/sign-in", email).status_code for _ in range(4)] == [200, 200, 200, 429]
    assert site.post("/en/sign-in", email).status_code == 200
    assert _letters(site) == 4


def test_a_mailbox_is_not_filled_from_everywhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond ten letters in a quarter of an hour, and so many in a day, the answer is the same and nothing is sent."""
    monkeypatch.setattr(security, "FLOOR", 0.0)
    email = {"email": site.shop.permitted[0]}
    pages = {_from(site, f"203.0.113.{n}").post("/en/sign-in", email).text for n in range(13)}
    assert (len(pages), _letters(site)) == (1, 10)
    monkeypatch.setattr(by_link, "LETTERS", ((100, 900), (11, 86_400)))
    for n in range(13):
        _from(site, f"198.51.100.{n}").post("/en/sign-in", email)
    assert _letters(site) == 11


def test_one_mailbox_has_one_budget_however_it_is_spelt(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Case, accents written in two ways and a domain in its code for machines are the same address: no letter more."""
    monkeypatch.setattr(security, "FLOOR", 0.0)
    spellings = ("jos\u00e9@boite.example", "Jose\u0301@BOITE.example", "JOS\u00c9@boite.example")
    assert [site.post("/en/sign-in", {"email": one}).status_code for one in spellings] == [200] * 3
    assert site.post("/en/sign-in", {"email": "jose\u0301@boite.example"}).status_code == 429
    assert site.post("/en/sign-in", {"email": "a@b\u00fccher.example"}).status_code == 200
    pages = [site.post("/en/sign-in", {"email": "a@xn--bcher-kva.example"}).status_code for _ in range(3)]
    assert pages == [200, 200, 429]


def test_no_colleague_is_locked_out_by_a_stranger(site: Site) -> None:
    """Ten wrong passwords from elsewhere leave the login its own budget."""
    said = {"login": "olga", "password": "wrong password here"}
    mallory = _from(site, "203.0.113.7")
    assert [mallory.post("/en/staff/sign-in", said).status_code for _ in range(11)] == [422] * 10 + [429]
    assert site.post("/en/staff/sign-in", said).status_code == 422
