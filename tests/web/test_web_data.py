"""The data map: each field with what fills it and what reads it, and what nothing reads; no value of anybody."""

from __future__ import annotations

import re

import pytest

from pacte.app.datamap import Field, data_map
from pacte.app.house import MAPPING, POLICY, House
from pacte.app.loading import load
from pacte.app.publish import publish
from tests.web.conftest import Site
from tests.web.staff import signed_in

PAGE = "/en/staff/data"


def field(house: House, path: str) -> Field:
    """One field of the map."""
    return next(one for one in data_map(house).fields[path.partition(".")[0]] if one.path == path)


def row(page: str, path: str) -> str:
    """The row of a field, as it reads."""
    shown = path.replace(".", ".<wbr>")
    found = re.search(rf'<tr><th scope="row"><code>{re.escape(shown)}</code>(.*?)</tr>', page, re.S)
    assert found is not None, path
    return " ".join(re.sub("<[^>]+>", " ", found[1]).split())


def test_each_field_says_what_it_is_and_what_reads_it(site: Site) -> None:
    """How it is kept and rounded, for which purpose on which basis, until when, given to whom."""
    signed_in(site, "marketer")
    page = site.get(PAGE).text
    email = row(page, "customers.email")
    for words in (
        "e-mail address",
        "sealed under the person’s own key",
        "Our newsletter – consent",
        "Courrier Clair SAS",
    ):
        assert words in email
    assert "3 years after the last contact" in email
    assert "readable, under a number" in row(page, "customers.city")
    assert "through orders. last_order" in row(page, "orders.ordered_at")
    assert "kept as a number that stands for the person" in row(page, "orders.customer_id")
    assert "not kept: computed" in row(page, "orders.spent")
    assert "the rules need it to tell minors" in row(page, "customers.birth_date")
    assert "rounded where it is read: to the month" in row(page, "orders.ordered_at")
    assert "why is it kept?" not in page


def test_what_nothing_reads_and_what_nothing_fills_show(site: Site) -> None:
    """A field that no purpose reads asks why it is kept; one that no source fills says so, there and at its purpose."""
    signed_in(site, "owner")
    for name, old, new in (
        (POLICY, "      city: {category: city, type: string}\n",
         "      city: {category: city, type: string}\n      shoe: {category: purchase, type: string}\n"),
        (MAPPING, "      phone: phone\n", ""),
    ):  # fmt: skip
        file = site.house.path / name
        text = file.read_text("utf-8")
        assert old in text
        file.write_text(text.replace(old, new, 1), "utf-8")
    publish(site.house, "owner")
    page = site.get(PAGE).text
    assert "No purpose reads this: why is it kept?" in row(page, "customers.shoe")
    assert "no source fills it" in row(page, "customers.phone")
    assert field(site.house, "customers.shoe").unread
    purpose = re.search(r'id="purpose-newsletter".*?</section>', page, re.S)
    assert purpose is not None
    assert re.search(r"customers\.<wbr>phone</code>.*?no source fills it", purpose[0], re.S)


def test_the_sources_say_what_came_and_what_was_set_aside(site: Site) -> None:
    """By source: which files, when the last came, its rows, and why rows were set aside; counts, and nobody's row."""
    signed_in(site, "auditor")
    bad = site.house.path.parent / "customers-bad.csv"
    head = "id,mail,phone,first_name,last_name,birth_date,city,postcode,country,region,kind,customer_since,closed_at"
    head += ",parent_id,signup_date,notice"
    bad.write_text(f"{head}\nZ1,no-address,,Zoé,Zazie,,Rennes,35000,FR,,private,,,,2026-01-05,v3\n", "utf-8")
    assert load(site.house, bad).rejected
    found = {one.name: one for one in data_map(site.house).origins}
    last = found["customers"].last
    assert last is not None
    assert (last.rows, last.rejected, sum(last.reasons.values())) == (1, 1, 1)
    assert found["customers"].loads == 2
    page = site.get(f"{PAGE}?dataset=customers").text
    table = page[page.index('id="sources"') :]
    assert "customers*.csv" in table
    assert "1 in the file, 0 entered, 0 known already" in table
    assert "orders*.parquet" not in table
    for personal in ("Zazie", "no-address", "Z1", *site.shop.emails[:5]):
        assert personal not in page


def test_the_map_is_filtered_by_purpose_and_dataset(site: Site) -> None:
    """By plain addresses; a name of nothing shows all."""
    signed_in(site, "dpo")
    page = site.get(f"{PAGE}?purpose=partner_offers&dataset=customers").text
    assert re.findall(r'<tr><th scope="row"><code>([a-z_.]+)<wbr>([a-z_]+)</code>', page)[:2] == [
        ("customers.", "email"), ("customers.", "first_name"),
    ]  # fmt: skip
    assert re.findall(r'id="purpose-([a-z_]+)"', page) == ["partner_offers"]
    assert len(re.findall(r'id="dataset-', site.get(f"{PAGE}?purpose=x&dataset=y").text)) == len(
        data_map(site.house).fields
    )


def test_a_mapping_that_cannot_be_read_is_said(site: Site) -> None:
    """Unknown is not nothing: no field is called unfilled where it is not known what fills it."""
    signed_in(site, "owner")
    (site.house.path / MAPPING).write_text("mapping: 1\nsources: [", "utf-8")
    page = site.get(PAGE).text
    assert "mapping.yaml cannot be read" in page
    assert "no source fills it" not in page
    assert field(site.house, "customers.email").sources is None


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_before_a_policy_there_is_no_map(site: Site, lang: str) -> None:
    """A house that was just made says so."""
    from pacte.kernel import db

    signed_in(site, "owner")
    with db.write(site.house.engine) as conn:
        db.run(conn, "DELETE FROM gate_policy")
    assert site.get(f"/{lang}/staff/data").status_code == 200
    assert site.get(f"/{lang}/staff/texts").status_code == 200
    assert site.get(f"/{lang}/staff/texts/review").status_code == 200
