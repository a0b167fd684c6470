"""A customer arrives from the company's own site, by its signed word: good words, bad words, somebody else's words."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from fastapi.testclient import TestClient

from pacte.app.settings import ArrivalSettings, WebSettings
from pacte.kernel.instant import SECOND
from pacte.web import session
from pacte.web.auth import from_site
from pacte.web.server import application
from tests.web.conftest import Site

SHOP = "https://shop.example"
HOUSE = "https://privacy.shop.example"
KEY = Ed25519PrivateKey.generate()
OTHER = Ed25519PrivateKey.generate()
SECRET = "a shared secret that is long enough for a token"


def _pem(key: Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def _public(key: Ed25519PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


@pytest.fixture
def arrival(site: Site) -> Site:
    """The doors of a house that takes the word of its company's shop."""
    return _with(site, ArrivalSettings(issuer=SHOP, public_key=_public(KEY)))


def _with(site: Site, settings: ArrivalSettings) -> Site:
    web = WebSettings(url="http://127.0.0.1:8080", origins=(SHOP,))
    changed = site.house.settings.model_copy(update={"arrival": settings, "web": web})
    house = replace(site.house, settings=changed)
    client = TestClient(application(house), base_url="http://127.0.0.1:8080")
    return Site(replace(site.shop, house=house), client)


def says(site: Site, **more: Any) -> dict[str, Any]:
    """What a good token says."""
    now = site.clock() // SECOND
    said = {"iss": SHOP, "aud": "http://127.0.0.1:8080", "sub": f"email:{site.shop.permitted[0]}", "jti": "one"}
    return {**said, "iat": now, "exp": now + 120, "auth_time": now - 60, **more}


def token(said: dict[str, Any], key: Any = None, algorithm: str = "EdDSA") -> str:
    """The token."""
    return jwt.encode({name: value for name, value in said.items() if value is not None}, key or _pem(KEY), algorithm)


def arrive(site: Site, brought: str, origin: str | None = SHOP, **more: str) -> Any:
    """Come from another site, as a browser does."""
    headers = {"sec-fetch-site": "cross-site"} | ({"origin": origin} if origin else {})
    return site.client.post("/en/arrive", data={"token": brought, **more}, headers=headers, follow_redirects=False)


def _strength(site: Site) -> str:
    subject = site.subject(site.shop.permitted[0])
    with site.house.reading() as conn:
        found = session.listed(conn, subject)
    return found[0].strength if found else ""


def test_a_customer_arrives_signed_in(arrival: Site) -> None:
    """The page says from where and for which account, names nobody, and leads on; the sign-in is as fresh as theirs."""
    answer = arrive(arrival, token(says(arrival)), next="me/choices")
    email = arrival.shop.permitted[0]
    assert (answer.status_code, "shop.example" in answer.text) == (200, True)
    assert email.split("@")[0] not in answer.text
    assert f"an address at {email.split('@')[1]}" in answer.text
    assert 'href="/en/me/choices"' in answer.text
    assert _strength(arrival) == "fresh"
    assert arrival.get("/en/me/choices").status_code == 200
    assert arrival.get("/en/me/sign-in").status_code == 200
    arrival.clock.forward(14.5 / 1_440)  # a quarter of an hour counts from the sign-in over there
    assert arrival.get("/en/me/sign-in").status_code == 303
    assert arrival.get("/en/me/choices").status_code == 200


@pytest.mark.parametrize("since", [None, -901, -86_400])
def test_whoever_signed_in_long_ago_is_not_fresh(arrival: Site, since: int | None) -> None:
    """Without `auth_time`, or with an old one, they see and change choices and no more."""
    at = None if since is None else arrival.clock() // SECOND + since
    assert "ask once more who you are" in arrive(arrival, token(says(arrival, auth_time=at))).text
    assert _strength(arrival) == "link"
    assert arrival.get("/en/me/sign-in").status_code == 303


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "https://shop.example.evil.example", ""])
def test_only_the_companys_pages_may_send_a_token(arrival: Site, origin: str | None) -> None:
    """Signing somebody in as another by a page of one's own (login CSRF) gets nowhere, with the best of tokens."""
    assert arrive(arrival, token(says(arrival)), origin).status_code == 403
    assert _strength(arrival) == ""
    assert arrive(arrival, token(says(arrival))).status_code == 200  # and the token was not even looked at


def _bad(site: Site) -> dict[str, str]:
    now = site.clock() // SECOND
    good = says(site)
    header, body, signature = token(good).split(".")

    def part(said: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=").decode()

    other = part({**good, "sub": f"email:{site.shop.permitted[1]}"})
    return {
        "expired": token(says(site, iat=now - 400, exp=now - 1)),
        "ends now": token(says(site, exp=now)),
        "lasts an hour": token(says(site, exp=now + 3_600)),
        "lasts since long": token(says(site, iat=now - 3_000, exp=now + 200)),
        "from tomorrow": token(says(site, iat=now + 86_400, exp=now + 86_500)),
        "not before": token(says(site, nbf=now + 200)),
        "signed in tomorrow": token(says(site, auth_time=now + 86_400)),
        "another key": token(good, _pem(OTHER)),
        "no signature": jwt.encode(good, None, "none"),
        "none by hand": f"{part({'alg': 'none', 'typ': 'JWT'})}.{body}.",
        "public key as a secret": _confused(good),
        "another's word": f"{header}.{other}.{signature}",
        "a signature cut": f"{header}.{body}.{signature[:-4]}",
        "another house": token(says(site, aud="https://privacy.other.example")),
        "no house": token(says(site, aud=None)),
        "another issuer": token(says(site, iss="https://evil.example")),
        "no issuer": token(says(site, iss=None)),
        "no name": token(says(site, jti=None)),
        "an empty name": token(says(site, jti="")),
        "an endless name": token(says(site, jti="x" * 300)),
        "nobody": token(says(site, sub=None)),
        "somebody unknown": token(says(site, sub="email:nobody@nowhere.example")),
        "no identifier": token(says(site, sub="phone:not a number")),
        "an empty one": token(says(site, sub="")),
        "no end": token(says(site, exp=None)),
        "an end in words": f"{header}.{part({**good, 'exp': 'soon'})}.{signature}",
        "an endless end": _signed({**good, "exp": float("nan")}),
        "an end of truth": _signed({**good, "exp": True}),
        "nothing": "",
        "noise": "a.b.c",
        "far too long": "x" * 5_000,
    }


def _signed(said: dict[str, Any]) -> str:
    return jwt.PyJWS().encode(json.dumps(said).encode(), _pem(KEY), "EdDSA")


def _confused(said: dict[str, Any]) -> str:
    """Signed with the public key as if it were a shared secret: what a reader who trusts the token would take."""
    import hashlib
    import hmac

    def part(content: bytes) -> str:
        return base64.urlsafe_b64encode(content).rstrip(b"=").decode()

    signed = f"{part(json.dumps({'alg': 'HS256', 'typ': 'JWT'}).encode())}.{part(json.dumps(said).encode())}"
    return f"{signed}.{part(hmac.digest(_public(KEY).encode(), signed.encode(), hashlib.sha256))}"


def test_bad_words_sign_nobody_in(arrival: Site) -> None:
    """Expired, forged, for another house, of another issuer, without a name, of nobody known: one answer for all."""
    for name, brought in _bad(arrival).items():
        answer = arrive(arrival, brought)
        assert (name, answer.status_code, "could not be signed in" in answer.text) == (name, 403, True)
        assert "set-cookie" not in answer.headers or "pacte-person" not in answer.headers["set-cookie"]
    assert _strength(arrival) == ""


def test_a_word_is_good_once(arrival: Site) -> None:
    """Replayed by whoever, it opens nothing; the same name of another issuer would be another word."""
    brought = token(says(arrival))
    assert arrive(arrival, brought).status_code == 200
    other = Site(arrival.shop, TestClient(arrival.client.app, base_url="http://127.0.0.1:8080"))
    assert arrive(other, brought).status_code == 403
    assert arrive(arrival, token(says(arrival, exp=arrival.clock() // SECOND + 200))).status_code == 403
    assert arrive(arrival, token(says(arrival, jti="two"))).status_code == 200


def test_another_persons_word_ends_the_first_ones_sign_in(arrival: Site) -> None:
    """A browser is signed in as one person at a time, and the page says as whom."""
    first, second = arrival.shop.permitted[:2]
    arrive(arrival, token(says(arrival)))
    held = arrival.client.cookies["pacte-person"]
    answer = arrive(arrival, token(says(arrival, jti="two", sub=f"email:{second}")))
    assert "This is not me" in answer.text
    assert arrival.client.cookies["pacte-person"] != held
    subjects = {email: arrival.subject(email) for email in (first, second)}
    with arrival.house.reading() as conn:
        assert [len(session.listed(conn, subjects[email])) for email in (first, second)] == [0, 1]


def test_a_shared_secret_will_do_if_it_is_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """HS256 with a secret by reference; EdDSA is then refused, and a short secret is no secret."""
    monkeypatch.setenv("SHOP_SECRET", SECRET)
    shared = _with(site, ArrivalSettings(issuer=SHOP, secret="env:SHOP_SECRET"))
    assert arrive(shared, token(says(shared))).status_code == 403
    assert arrive(shared, token(says(shared, jti="two"), SECRET, "HS256")).status_code == 200
    monkeypatch.setenv("SHOP_SECRET", "short")
    assert arrive(shared, token(says(shared, jti="three"), SECRET, "HS256")).status_code == 503
    both = _with(site, ArrivalSettings(issuer=SHOP, secret="env:SHOP_SECRET", public_key=_public(KEY)))
    assert arrive(both, token(says(both, jti="four"))).status_code == 503


def test_a_house_without_these_settings_takes_no_word(site: Site) -> None:
    """Nobody is trusted by default."""
    closed = _with(site, ArrivalSettings())
    assert arrive(closed, token(says(closed))).status_code == 403


def test_an_account_in_words_names_nobody() -> None:
    """The end of a number, or the house of a mailbox."""
    assert from_site.account("key:C00042", "en") == "the account ending in …42"
    assert from_site.account("+33612345678", "fr") == "le numéro qui finit par …78"
    assert from_site.account("ada@shop.example", "en") == "an address at shop.example"


def test_a_burst_of_arrivals_is_slowed(arrival: Site) -> None:
    """One address sends a hundred and twenty in ten minutes, and no more."""
    statuses = [arrive(arrival, "noise").status_code for _ in range(125)]
    assert (statuses[119], statuses[-1]) == (403, 429)
