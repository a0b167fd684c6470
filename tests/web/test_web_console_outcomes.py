"""The console's results over time, as page and as CSV, and what the data map says of fields that nothing has read."""

from __future__ import annotations

import csv
import html
import io
import re

from pacte.app.uses import declare
from tests.web import arranged_staff
from tests.web.conftest import Site
from tests.web.staff import signed_in

PAGE, DATA = "/en/staff/outcomes", "/en/staff/data"


def words(page: str) -> str:
    """The words of a page, without its tags."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page.partition("<main")[2])))


def test_results_are_drawn_told_and_downloaded(site: Site) -> None:
    """The same numbers in the lines, in the table and in the file; where nothing may be told, "fewer than"."""
    signed_in(site, "analyst")
    arranged_staff.with_outcomes(site.shop)
    shown = site.get(PAGE).text
    assert shown.count("<svg") == 4
    assert shown.count('class="curve"') > 4  # a month without a number is a gap
    said = words(shown)
    assert "1,200 people in October 2026" in said
    assert "October 2026 1,200 340 < 70 70" in said
    assert "May 2026 < 70 < 70 < 70 < 70" in said
    assert "October 2026 Left out said yes, then withdrew 190" in said
    assert "There is no such mailbox" in said
    assert "October 2026" in words(site.get(f"{PAGE}?months=36").text)
    answer = site.get(f"{PAGE}.csv")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    october = {(row["outcome"], row["reason"]): row["people"] for row in rows if row["month"] == "2026-10"}
    assert october["sent", ""] == "1200"
    assert (october["refused", "cap_reached"], october["bounced", ""]) == ("150", "")
    assert {row["purpose"] for row in rows} == {"newsletter"}


def test_before_a_month_is_over_there_are_no_results(site: Site) -> None:
    """The page says when there will be, and the file has its head alone."""
    signed_in(site, "marketer")
    assert "No month with messages is over yet." in words(site.get(PAGE).text)
    assert site.get(f"{PAGE}.csv").text == "month,purpose,outcome,reason,people\r\n"
    assert "Aucun mois" in site.get("/fr/staff/outcomes").text


def test_the_data_map_proposes_what_nothing_has_read(site: Site) -> None:
    """After the months that are asked for, with the field's age, and only while nothing has read it."""
    signed_in(site, "dpo")
    said = words(site.get(DATA).text).partition("What nothing has read")[2]
    assert "Every field was read in that time, or is newer." in said
    site.clock.forward(200)
    signed_in(site, "dpo")  # again: a sign-in does not last so long
    assert "Every field was read" in words(site.get(DATA).text)
    said = words(site.get(f"{DATA}?months=6&dataset=customers").text).partition("What nothing has read")[2]
    assert "customers. phone" in said
    assert "orders. channel" not in said.partition("The other way round")[0]
    assert "stop collecting it" in said
    declare(site.house, "statistics", by="analysis")
    said = words(site.get(f"{DATA}?months=6").text).partition("What nothing has read")[2].partition("The other way")[0]
    assert "customers. phone" in said
    assert "customers. city" not in said
