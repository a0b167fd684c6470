"""What the doctor says of the company's mail, from its settings alone."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pacte.app import deliverability
from pacte.app.doctor import examine
from pacte.app.house import create, open_house
from pacte.app.settings import FILE, MailSettings, load_settings
from pacte.kernel.errors import BadInput
from pacte.testing.shop import TODAY
from pacte.testing.world import TestClock
from tests.app.test_app_messages import key_file

SOUND = {
    "mail": {
        "host": '"smtp.shop.example"',
        "from": '"The shop <news@shop.example>"',
        "bounces": '"bounces@back.shop.example"',
        "complaints": '"complaints@shop.example"',
    },
    "mail.dkim": {"domain": '"shop.example"', "selector": '"s1"'},
    "web": {"url": '"https://privacy.shop.example"'},
}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty house, and a key beside it."""
    folder = tmp_path_factory.mktemp("mail")
    key_file(folder)
    create(folder / "house", lang="en", clock=TestClock(TODAY)).close()
    return folder / "house"


def codes(home: Path, **changes: str) -> dict[str, str]:
    """What is said, level by code, of sound settings with changes (`section__key`; an empty value leaves it out)."""
    tables = {name: dict(table) for name, table in SOUND.items()}
    tables["mail.dkim"]["key"] = f'"file:{home.parent / "dkim.pem"}"'
    for place, value in changes.items():
        name, _, key = place.replace("_at_", ".").partition("__")
        tables[name][key] = value
    words = "".join(
        f"\n[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in table.items() if value)
        for name, table in tables.items()
    )
    before = (home / FILE).read_text(encoding="utf-8")
    (home / FILE).write_text(before + words, encoding="utf-8")
    try:
        with open_house(home, clock=TestClock(TODAY)) as house:
            return {one.code: one.level for one in examine(house) if one.code in KNOWN}
    finally:
        (home / FILE).write_text(before, encoding="utf-8")


KNOWN = {
    *("dkim_none", "dkim_key", "dkim_unaligned", "spf_unaligned", "no_bounces", "unsubscribe_in_clear", "dns_record"),
}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, {}),
        ({"mail__bounces": ""}, {"no_bounces": "warning"}),
        ({"mail__bounces": '"b@mailer.example"'}, {"spf_unaligned": "warning"}),
        ({"mail_at_dkim__domain": '"mailer.example"'}, {"dkim_unaligned": "error"}),
        ({"mail_at_dkim__domain": '"workshop.example"'}, {"dkim_unaligned": "error"}),
        ({"mail_at_dkim__domain": '"mail.shop.example"'}, {}),
        ({"mail_at_dkim__key": ""}, {"dkim_none": "warning"}),
        ({"web__url": '"http://privacy.shop.example"'}, {"unsubscribe_in_clear": "warning"}),
    ],
    ids=["sound", "no bounces", "bounces away", "signed away", "sounds alike", "signed below", "unsigned", "in clear"],
)
def test_the_doctor_judges_mail_by_its_settings(home: Path, changes: dict[str, str], said: dict[str, str]) -> None:
    """Each way of not being recognised is said, and the records to publish are given."""
    assert codes(home, **changes) == {"dns_record": "ok", **said}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("from", "Élan <élan@shop.example>"),
        ("from", "shop@shop_mail.example"),
        ("from", "The shop <news@élan.example>"),
        ("from", "news@shop.example, other@shop.example"),
        ("from", "news at shop"),
        ("bounces", "abuse at shop"),
        ("bounces", "Bounces <bounces@shop.example>"),
        ("bounces", f"{'b' * 32}@shop.example"),
        ("complaints", "abuse@"),
        ("seeds", "colleague"),
    ],
)
def test_an_address_that_no_mail_can_be_sent_from_is_refused_with_its_key(home: Path, key: str, value: str) -> None:
    """When the settings are read, and not once a campaign has taken everybody's address for a wrong one."""
    before = (home / FILE).read_text(encoding="utf-8")
    said = json.dumps([value] if key == "seeds" else value)
    (home / FILE).write_text(f"{before}\n[mail]\n{key} = {said}\n", encoding="utf-8")
    try:
        with pytest.raises(BadInput, match=f"`mail.{key}` .*expected") as refused:
            load_settings(home)
        assert value not in str(refused.value)
    finally:
        (home / FILE).write_text(before, encoding="utf-8")


def test_addresses_as_companies_write_them_are_taken() -> None:
    """With a name in any letters, with a domain as the DNS has it, or none at all."""
    for sender in (
        "Élan <news@xn--lan-9la.example>",
        "news@shop.example",
        '"Shop, the" <a.b+c@shop.example>',
        "",
    ):
        made = {"from": sender, "bounces": "b@back.shop.example", "complaints": "", "seeds": ["a@b.example"]}
        assert MailSettings.model_validate(made).sender == sender


def test_a_key_of_no_use_is_an_error_and_is_not_shown(home: Path) -> None:
    """It is said before the first mail would need it."""
    assert codes(home, mail_at_dkim__key='"file:/nowhere/dkim.pem"') == {"dkim_key": "error"}
    assert codes(home, mail_at_dkim__selector='"S 1"') == {"dkim_key": "error"}


def test_where_no_mail_leaves_nothing_is_said(home: Path) -> None:
    """A house without a mail server has no name to lose."""
    assert codes(home, mail__host="") == {}


def test_the_records_are_what_a_zone_takes(home: Path) -> None:
    """Strings of 255 characters at most, the key of the file, a policy for all other mail."""
    (home / FILE).write_text(
        (home / FILE).read_text(encoding="utf-8")
        + '\n[mail]\nhost = "smtp.shop.example"\nfrom = "news@shop.example"\n[mail.dkim]\ndomain = "shop.example"\n'
        f'key = "file:{home.parent / "dkim.pem"}"\n',
        encoding="utf-8",
    )
    with open_house(home, clock=TestClock(TODAY)) as house:
        spf, key, dmarc = deliverability.records(house)
    assert spf.line() == 'shop.example TXT "v=spf1 a:smtp.shop.example ~all"'
    assert dmarc.line() == '_dmarc.shop.example TXT "v=DMARC1; p=quarantine; rua=mailto:news@shop.example"'
    assert key.name == "pacte._domainkey.shop.example"
    assert all(len(part) <= 255 for part in key.line().split('"')[1::2])
    private = serialization.load_pem_private_key((home.parent / "dkim.pem").read_bytes(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    form = serialization.PublicFormat.SubjectPublicKeyInfo
    der = private.public_key().public_bytes(serialization.Encoding.DER, form)
    assert "".join(key.line().split('"')[1::2]) == f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
