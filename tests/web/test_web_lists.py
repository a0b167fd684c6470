"""Lists that are out: what a tool elsewhere is answered, and what the console shows of them."""

from __future__ import annotations

import pytest

from pacte.app import export_files, exports, suppressions
from pacte.app.exports import Export
from tests.app.listing import lines
from tests.web.conftest import Site
from tests.web.programs import program
from tests.web.staff import signed_in


@pytest.fixture
def export(site: Site) -> Export:
    """A list of those who bought, for the mailer."""
    return exports.make(site.house, "order_service", "email", recipient="mailer", by="cli")


def test_a_tool_learns_whom_to_drop(site: Site, export: Export) -> None:
    """References and nothing else; a key of another purpose, or of another scope, learns nothing."""
    file = export_files.path_of(site.house.path / export_files.FOLDER, export.id)
    references = {line["email"]: line["reference"] for line in lines(file)}
    tool, path = program(site, "lists:read", bound=("order_service",)), f"/lists/withdrawn?list={export.id}"
    assert tool.get(path).json()["withdrawn"] == []
    gone = next(email for email in site.shop.emails if email in references)
    suppressions.add(site.house, gone, "email", "bounced", by="cli")
    answer = tool.get(path).json()
    assert (answer["withdrawn"], answer["over"]) == ([references[gone]], False)
    assert program(site, "lists:read", bound=("statistics",)).get(path).status_code == 403
    assert program(site, "uses:write").get(path).status_code == 403
    assert tool.get(f"/lists/withdrawn?list={'0' * 32}").status_code == 404
    assert tool.get("/lists/withdrawn").status_code == 422
    exports.end(site.house, export.id, by="cli")
    assert tool.get(path).json() | {"until": ""} == {"list": export.id, "until": "", "over": True, "withdrawn": []}


def test_the_console_shows_lists_and_nobody(site: Site, export: Export) -> None:
    """What for, for whom, until when, whether it was taken and asked about; ending it is one form."""
    found = signed_in(site, "marketer")
    shown = site.client.get("/en/staff/lists").text
    assert export.id[:8] in shown
    assert "Courrier Clair SAS" in shown
    assert "its holder never asked" in shown
    assert "<code>pacte export</code>" in shown
    assert "`" not in shown
    assert not [email for email in site.shop.emails if email in shown]
    answer = site.post(f"/en/staff/lists/{export.id}/end", {}, shown="/en/staff/lists")
    assert answer.headers["location"].endswith("staff/lists?done=ended")
    with site.house.reading() as conn:
        assert exports.of(conn, export.id).state == exports.ENDED
    assert "The list has ended." in site.client.get("/en/staff/lists?done=ended").text
    assert found.actor.startswith("staff:")
    assert site.house.check() == []


def test_lists_are_not_for_everybody(site: Site, export: Export) -> None:
    """A member of customer service sees none, and ends none."""
    signed_in(site, "agent")
    assert site.client.get("/en/staff/lists").status_code == 403
    with site.house.reading() as conn:
        assert exports.of(conn, export.id).state == exports.MADE
