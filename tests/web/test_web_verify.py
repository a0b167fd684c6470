"""The page that verifies: in a real browser, without network, it answers what the command line answers."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from pacte import verifier
from tests.web.forged import Case, Told, told

ALL = """async (cases) => {
  const bytes = (text) => text === null ? null : Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const answers = [];
  const verified = ([data, kept, key, anchors]) =>
    pacteVerify(bytes(data), { kept: kept.map(bytes), key, anchors: bytes(anchors) });
  for (let at = 0; at < cases.length; at += 32) {
    answers.push(...(await Promise.all(cases.slice(at, at + 32).map(verified))));
  }
  return answers;
}"""


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """The story, told once; tests read it."""
    found = told(tmp_path_factory.mktemp("forged"))
    yield found
    found.house.close()


@pytest.fixture
def offline(browser: Browser, served: str, request: pytest.FixtureRequest) -> Iterator[Page]:
    """The page in the language of the test's parameter, loaded, and the network cut."""
    lang = getattr(request, "param", "en")
    context = browser.new_context(locale=lang)
    page = context.new_page()
    page.goto(f"{served}/{lang}/verify")
    context.set_offline(True)
    yield page
    context.close()


def _encoded(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()


def _browser_answers(page: Page, cases: list[Case]) -> list[dict[str, Any]]:
    given = [[_encoded(c.data), [_encoded(one) for one in c.kept], c.key or "", _encoded(c.anchors)] for c in cases]
    answers: list[dict[str, Any]] = page.evaluate(ALL, given)
    return [{name: value for name, value in answer.items() if name != "size"} for answer in answers]


def _answer(case: Case, lang: str) -> dict[str, Any]:
    report = verifier.verify_bytes(case.data, checkpoints=case.kept, key=case.key, anchors=case.anchors, lang=lang)
    found: dict[str, Any] = json.loads(json.dumps(asdict(report)))
    return found


@pytest.mark.parametrize("offline", ["en", "fr"], indirect=True)
def test_the_browser_answers_what_the_command_line_answers(offline: Page, story: Told) -> None:
    """For every file of the family, sound or forged, both give the same report, word for word."""
    lang = offline.evaluate("document.documentElement.lang")
    every = {"en": 2, "fr": 9}[lang]  # of what is told apart by nothing but the place that was changed
    cases = [case for n, case in enumerate(story.cases) if "flipped" not in case.name or n % every == 0]
    expected = [_answer(case, lang) for case in cases]
    found = _browser_answers(offline, cases)
    for case, answer, report in zip(cases, found, expected, strict=True):
        assert answer == report, case.name


def test_what_is_forged_is_found(story: Told) -> None:
    """Of the whole family, the sound files verify and no other does."""
    answers = {case.name: (case.good, _answer(case, "en")["ok"]) for case in story.cases}
    assert [name for name, (good, ok) in answers.items() if good != ok] == []
    assert len(answers) > 500


def _shown(page: Page) -> str:
    page.wait_for_selector("#result:not([hidden]) h2")
    return page.inner_text("#result")


def _choose(page: Page, tmp_path: Path, file: bytes, *kept: bytes, key: str = "") -> str:
    """Give the page its files, press the button, and read what it says."""
    names = [tmp_path / f"{place}.json" for place in range(len(kept) + 1)]
    for name, data in zip(names, (file, *kept), strict=True):
        name.write_bytes(data)
    page.set_input_files("#file", names[0])
    page.set_input_files("#kept", names[1:])
    page.fill("#key", key)
    page.click("form#verify button")
    return _shown(page)


def test_the_page_tells_a_person(offline: Page, story: Told, tmp_path: Path) -> None:
    """Chosen files are judged without network; what is sound, forged or forked is said in words, and has the focus."""
    asked: list[str] = []  # by the page; a browser fetches the icon of a tab when it likes
    offline.on("request", lambda request: None if "/static/icon.svg" in request.url else asked.append(request.url))
    sound = _choose(offline, tmp_path, story.yes, story.no, key=story.house.vkey)
    assert sound.startswith("VERIFIES")
    assert "the person said yes to newsletter by e-mail" in sound
    assert "it continues this one, unchanged" in sound
    assert "of another ledger than this site’s" in sound
    alone = _choose(offline, tmp_path, story.yes)
    assert "Give the key of the ledger as the house published it, and an anchors file or something" in alone
    assert "`--" not in alone
    assert offline.evaluate("document.activeElement.id") == "result"
    fork = _choose(offline, tmp_path, story.no, story.fork["receipt"])
    assert fork.startswith("DOES NOT VERIFY")
    assert "rewritten or forked" in _choose(offline, tmp_path, story.no, story.fork["continuation"])
    forged = _choose(offline, tmp_path, story.yes.replace(b"EXPLICIT", b"IMPLICIT"))
    assert "The seal does not verify" in forged
    assert "checked by the program" in _choose(offline, tmp_path, b'{"format":"pacte-ledger/1","size":1}\n')
    assert asked == []


def test_a_dropped_file_is_checked(offline: Page, story: Told) -> None:
    """A file dropped on the page is the file that was chosen."""
    offline.evaluate(
        """(text) => {
          const data = new DataTransfer();
          data.items.add(new File([text], "receipt.json"));
          const dropped = new DragEvent("drop", { dataTransfer: data, cancelable: true });
          document.getElementById("drop").dispatchEvent(dropped);
        }""",
        story.yes.decode(),
    )
    assert _shown(offline).startswith("VERIFIES")


def test_an_old_browser_is_told_so(browser: Browser, served: str) -> None:
    """A browser without Ed25519, or without any cryptography, says what it cannot do instead of an answer."""
    for missing, words in [
        (
            "SubtleCrypto.prototype.verify = () => Promise.reject(new DOMException('no', 'NotSupportedError'))",
            "Ed25519",
        ),
        ("Object.defineProperty(Crypto.prototype, 'subtle', { value: undefined })", "no cryptography"),
    ]:
        context = browser.new_context(locale="en")
        context.add_init_script(missing)
        page = context.new_page()
        page.goto(f"{served}/en/verify")
        assert words in _shown(page)
        context.close()


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_saved_page_works_alone(browser: Browser, site: Any, story: Told, tmp_path: Path, lang: str) -> None:
    """The page kept as one file verifies from the disk, without any house, and may load nothing."""
    answer = site.get(f"/{lang}/verify/download")
    assert "attachment" in answer.headers["content-disposition"]
    (tmp_path / "saved.html").write_bytes(answer.content)
    context = browser.new_context(offline=True)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto((tmp_path / "saved.html").as_uri())
    assert _choose(page, tmp_path, story.yes, story.no).startswith("VERIFIES" if lang == "en" else "VÉRIFIÉ")
    assert said == []
    assert "connect-src" not in answer.text
    assert 'content="default-src &#39;none&#39;; script-src &#39;sha256-' in answer.text
    context.close()


def test_the_page_is_light_and_quiet(site: Any) -> None:
    """The page with its script weighs less than 60 KB, has no inline script but data, and works as words alone."""
    page = site.get("/fr/verify")
    script, style = (site.get(re.search(rf'/static/{name}[^"]*', page.text)[0]) for name in ("verify.js", "app.css"))
    weight = sum(len(gzip.compress(answer.content)) for answer in (page, script, style))
    assert weight < 60_000
    assert re.findall(r"<script(?![^>]*(?:src=|application/json))", page.text) == []
    assert "<noscript>" in page.text
    assert site.get("/fr/verify/verifier.py").content == Path(verifier.__file__).read_bytes()


def test_the_register_says_where_it_stands(site: Any) -> None:
    """The checkpoint and the paths to it are public, bounded, and verify; a size that never was is refused."""
    site.clock.forward(1 / 24)
    first = site.get("/checkpoint").text
    size = int(first.split("\n")[1])
    found = site.get(f"/checkpoint/since/{size - 3},{size}").json()
    assert found["checkpoint"] == first
    assert [one["size"] for one in found["consistency"]] == [size - 3, size]
    for wrong in ("0", str(size + 1), "x", "1" * 30, ",".join(["1"] * 17), "-1", "1,"):
        assert site.get(f"/checkpoint/since/{wrong}").status_code == 400, wrong


def test_the_public_register_tells_nobody_what_happens_now(site: Any) -> None:
    """Whatever is recorded, it stands still until the next full hour; erasures and restarts never lead it back."""
    from pacte.ledger import log

    email = site.shop.permitted[0]
    public = ("/checkpoint", "/checkpoint/since/1", "/api/v1/ledger/checkpoint")
    site.clock.forward(1 / 24)
    before = [site.get(path).text for path in public]
    size = int(before[0].split("\n")[1])
    site.house.choose(f"email:{email}", "newsletter", "withdrawn")
    site.house.choose(f"email:{site.shop.permitted[1]}", "newsletter", "withdrawn")
    assert [site.get(path).text for path in public] == before
    unseen = [site.get(f"/checkpoint/since/{size + more}") for more in (1, 2, 900)]
    assert {answer.status_code for answer in unseen} == {400}
    assert len({re.sub(r"since/[0-9]+", "", answer.text) for answer in unseen}) == 1
    with site.house.writing() as conn:
        log.redact(conn, [size - 1])
    assert site.get("/checkpoint").text == before[0]
    site.clock.forward(1 / 24)
    with site.house.reading() as conn:
        head = log.head(conn)
    assert site.get("/checkpoint").text == head.checkpoint
    found = site.get(f"/checkpoint/since/{size}").json()
    assert [one["size"] for one in found["consistency"]] == [size]


def test_the_page_compares_with_the_register_of_now(browser: Browser, served: str, a_shop: Any, tmp_path: Path) -> None:
    """With network, one button fetches the present checkpoint and shows that the receipt's is its beginning."""
    from pacte.app import receipts

    email = a_shop.permitted[0]
    receipt = receipts.receipt(a_shop.house, f"email:{email}", purpose="newsletter", lang="en")
    a_shop.house.choose(f"email:{email}", "newsletter", "withdrawn")
    a_shop.clock.forward(1 / 24)
    context = browser.new_context(locale="en")
    page = context.new_page()
    page.goto(f"{served}/en/verify")
    assert page.is_hidden("#present")
    assert "another ledger" not in _choose(page, tmp_path, receipt.data)
    page.click("#present")
    page.wait_for_selector("text=it continues this one, unchanged")
    fresh = receipts.receipt(a_shop.house, f"email:{email}", purpose="newsletter", lang="en")
    _choose(page, tmp_path, fresh.data)
    page.click("#present")
    page.wait_for_selector("text=with a receipt of this hour, try again after the next")
    context.close()


def test_people_fetch_their_own_receipts(site: Any) -> None:
    """Who signed in just now gets the receipt of their own choice as a file; of somebody else's, or signed out, nobody.

    Who came by a link gets those of what they said since they came.
    """
    from pacte.app import receipts
    from pacte.app.people import people_of

    mine, theirs = site.shop.permitted[:2]
    with site.house.reading() as conn:
        own, other = (people_of(site.house, conn, f"email:{one}")[0] for one in (mine, theirs))
    entry = receipts.choices_of(site.house, own, "newsletter")[-1][0]
    path = f"/fr/me/receipt/{entry}"
    assert site.get(path).headers["location"].startswith("/fr/sign-in")
    site.clock.forward(1)
    site.as_person(mine, "link")
    led = site.get(path)
    assert (led.status_code, led.headers["location"]) == (303, f"/fr/sign-in?next={path[4:]}&again=1")
    said = site.house.choose(f"email:{mine}", "newsletter", "withdrawn").index
    assert site.get(f"/fr/me/receipt/{said}").status_code == 200
    site.as_person(mine)
    answer = site.get(path)
    assert "attachment" in answer.headers["content-disposition"]
    assert verifier.verify_bytes(answer.content, key=site.house.vkey).ok
    assert json.loads(answer.content)["piiPrincipalId"] == own
    assert site.get(f"/fr/me/receipt/{receipts.choices_of(site.house, other)[-1][0]}").status_code == 404
    assert site.house.check() == []


def test_a_session_shows_the_badge_its_own_state(site: Any) -> None:
    """On pages of our own a session is enough for a badge; a page elsewhere learns nothing of it.

    When data was used last is told to whoever proved a moment ago who they are.
    """
    site.as_person(site.shop.permitted[0], "link")
    own = site.get("/badge/newsletter?lang=fr").json()
    assert own["own"]["on"] is True
    assert "Dernier usage" not in str(own["own"]["facts"])
    site.as_person(site.shop.permitted[0])
    assert "Dernier usage" in str(site.get("/badge/newsletter?lang=fr").json()["own"]["facts"])
    site.as_person(site.shop.permitted[0], "link")
    assert [name for name, _ in own["links"]] == ["Tout savoir", "Vos choix", "La preuve"]
    assert site.get("/badge/newsletter", headers={"origin": "https://elsewhere.example"}).json()["own"] is None
    assert site.get("/badge/newsletter", headers={"sec-fetch-site": "cross-site"}).json()["own"] is None
