"""Setting a house up: each step is seen in the house itself, says what to do, and is over when the house shows it."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pacte.app import passkeys, setup
from pacte.app import staff as people
from pacte.app.house import POLICY, House, create
from pacte.app.publish import publish
from pacte.app.settings import KeySettings
from pacte.app.templates import TEMPLATES, write_template
from pacte.app.worker import work
from pacte.testing.shop import Shop
from pacte.web.server import application
from tests.app.mail import mail_server
from tests.web.conftest import Site
from tests.web.staff import signed_in
from tests.web.template import Template
from tests.web.test_web_staff import joined

WEB = '\n[web]\nurl = "https://privacy.maison.test"\nembedded_by = ["https://maison.test"]\n'
MAIL = '\n[mail]\nhost = "127.0.0.1"\nport = {port}\ntls = "none"\nfrom = "Maison <privacy@maison.test>"\n'


def _states(house: House) -> dict[str, str]:
    return {step.name: step.state for step in setup.steps(house)}


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[House]:
    """A house as `pacte init` leaves it."""
    with create(tmp_path / "new", lang="fr") as house:
        write_template(house.path)
        yield house


@contextmanager
def _doors(shop: Shop) -> Iterator[Site]:
    with TestClient(application(shop.house), base_url="http://127.0.0.1:8080") as client:
        yield Site(shop, client)


def test_a_new_house_lacks_every_step_and_says_which_comes_first(empty: House) -> None:
    """Nothing is in force: what follows from a policy comes later; a policy that cannot be read says where."""
    later = dict.fromkeys(("data", "notice", "form"), "later")
    rest = {"mail": "none", "address": "none", "keys": "open"}
    assert _states(empty) == {"policy": "invented_draft"} | later | rest
    text = (empty.path / POLICY).read_text(encoding="utf-8")
    (empty.path / POLICY).write_text(
        re.sub(r"contact: \S+\.example", "contact: dpo@maison.test", text, count=1), "utf-8"
    )
    assert _states(empty)["policy"] == "unpublished"
    (empty.path / POLICY).write_text("controller: [", encoding="utf-8")
    (policy, *_) = setup.steps(empty)
    assert (policy.state, "policy.yaml:1" in policy.listed[0]) == ("unreadable", True)
    assert not setup.is_done(empty)


def test_a_policy_of_ones_own_is_done_once_it_is_in_force(empty: House) -> None:
    """Its company, its contact; then data, notice and form say what they lack themselves."""
    text = (empty.path / POLICY).read_text(encoding="utf-8")
    (empty.path / POLICY).write_text(
        re.sub(r"contact: \S+\.example", "contact: dpo@maison.test", text, count=1), "utf-8"
    )
    publish(empty, "owner")
    (policy, data, notice, form, *_) = setup.steps(empty)
    assert (policy.done, policy.facts["contact"]) == (True, "dpo@maison.test")
    assert (data.state, form.state, form.facts["form"] in form.listed) == ("empty", "unembedded", True)
    assert notice.state in ("done", "gaps")


@pytest.mark.parametrize("template", TEMPLATES)
def test_every_template_is_known_to_speak_of_an_invented_company(tmp_path: Path, template: str) -> None:
    """So that nobody serves people under its name."""
    with create(tmp_path / "new") as house:
        write_template(house.path, template)
        assert _states(house)["policy"] == "invented_draft"


def test_what_is_in_the_settings_is_seen(shop_template: Template, tmp_path: Path) -> None:
    """Mail, address, form; a house with all of it lacks only what is not in the settings."""
    with shop_template.open(tmp_path / "a", WEB + MAIL.format(port=25)) as shop:
        found = _states(shop.house)
        assert [found[name] for name in ("data", "form", "mail", "address")] == ["done"] * 4
        assert found["policy"] == "invented"
        bare = replace(
            shop.house, settings=shop.house.settings.model_copy(update={"keys": KeySettings(service="passphrase")})
        )
        assert _states(bare)["keys"] == "unwitnessed"
        stamps = bare.settings.timestamps.model_copy(update={"authority": "https://tsa.test/"})
        stamped = replace(bare, settings=bare.settings.model_copy(update={"timestamps": stamps}))
        assert _states(stamped)["keys"] == "done"
    for lines, name, state in (
        ('\n[mail]\nfolder = "letters"\n', "mail", "folder"),
        ('\n[mail]\nhost = "smtp.maison.test"\n', "mail", "wrong"),
        ('\n[web]\nurl = "http://privacy.maison.test"\n', "address", "insecure"),
    ):
        with shop_template.open(tmp_path / state, lines) as shop:
            assert _states(shop.house)[name] == state


def test_whoever_founds_a_house_is_led_through_it(site: Site) -> None:
    """The first owner comes to the steps, the console counts them, everything has its command; in both languages."""
    token = people.first_owner(site.house)
    assert token is not None
    joined(site, token)
    home = site.get("/en/staff").text
    done = sum(step.done for step in setup.steps(site.house))
    assert f"{done} of 7 steps are done." in home
    for lang, words in (("en", "the invented company of the template"), ("fr", "la société inventée du modèle")):
        page = site.get(f"/{lang}/staff/setup").text
        assert words in page
        assert f"pacte publish -H {site.house.path}" in page
        assert f"/{lang}/forms/embed.js" in page
        assert page.count('class="tag open"') == 7 - done


def test_roles_see_and_act_as_they_may(site: Site) -> None:
    """The officer reads the steps and sends nothing; whoever has no part in it sees neither."""
    signed_in(site, "dpo")
    page = site.get("/en/staff/setup").text
    assert ("Setting up your house" in page, "setup/letter" in page) == (True, False)
    assert site.post("/en/staff/setup/letter", shown="/en/staff").status_code == 403
    signed_in(site, "analyst")
    assert ("Setting up" in site.get("/en/staff").text, site.get("/en/staff/setup").status_code) == (False, 403)


def _owner(site: Site, login: str) -> None:
    people.join(site.house, people.first_owner(site.house) or "", login, "Olga", "x")
    signed_in(site, "owner")


def _sent(site: Site) -> Any:
    return site.post("/en/staff/setup/letter", shown="/en/staff/setup")


def test_a_test_letter_leaves_at_once_and_says_why_when_it_does_not(shop_template: Template, tmp_path: Path) -> None:
    """To the owner's own login, by real SMTP; a refusal is said on the page; other letters go the same way."""
    with (
        mail_server() as box,
        shop_template.open(tmp_path / "a", MAIL.format(port=box.port)) as shop,
        _doors(shop) as site,
    ):
        _owner(site, "olga@maison.test")
        assert _sent(site).headers["location"] == "/en/staff/setup?done=letter"
        assert (box.taken[0]["to"], "/en/staff/setup" in box.letter()) == ("olga@maison.test", True)
        assert "has left" in site.get("/en/staff/setup?done=letter").text
        box.refuse = "451 later"
        answer = _sent(site)
        assert (answer.status_code, "did not leave" in answer.text, len(box.taken)) == (422, True, 1)
        passkeys.add(shop.house, "staff", people.members(shop.house)[0].id, passkeys.New(b"key", b"public", 0), "Ring")
        (held,) = passkeys.of(shop.house, "staff", people.members(shop.house)[0].id)
        site.post("/fr/staff/account/remove", {"passkey": held.id}, shown="/fr/staff/account")
        box.refuse = ""
        work(shop.house, threading.Event(), once=True)
        assert (box.taken[-1]["to"], "clé d’accès vient d’être retirée" in box.letter()) == ("olga@maison.test", True)
    with shop_template.open(tmp_path / "b", MAIL.format(port=box.port)) as shop, _doors(shop) as site:
        _owner(site, "olga")
        assert "is no e-mail address" in site.get("/en/staff/setup").text
        assert _sent(site).status_code == 400
