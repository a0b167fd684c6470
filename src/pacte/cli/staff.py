"""`staff list|relink|revoke`: who may sign in to the console, and the links that let them, for whoever has the house.

The console does the same for owners; this is for the only owner who lost their telephone, and for nobody on the web.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import (
    HERE,
    ByOption,
    HouseOption,
    JsonOption,
    LangOption,
    code,
    help_alone,
    language,
    opened,
    say,
    tell,
    words,
)

if TYPE_CHECKING:
    from pacte.app.house import House
    from pacte.app.offers import Offer
    from pacte.app.staff import Member

staff = typer.Typer(
    help="Who may sign in to the console, and links that let them.",
    callback=help_alone,
    invoke_without_command=True,
    rich_markup_mode=None,
)


def register(app: typer.Typer) -> None:
    """Add these commands to the program."""
    app.add_typer(staff, name="staff")


@staff.command("list", short_help="Who may sign in, and the links that are open.")
def listed(house: HouseOption = HERE, lang: LangOption = "", as_json: JsonOption = False) -> None:
    """Everybody who may sign in to the console, in which role, and the links that are open."""
    from pacte.app import relink
    from pacte.app.staff import members

    tongue = language(lang, house)
    with opened(house) as home:
        there = [one for one in members(home) if one.state == "active"]
        offers = relink.every_open(home)

    def show() -> None:
        for one in there:
            tell(f"{one.id[:8]} {one.name} ({one.login}): {_role(one.role, tongue)}", mark="✓", color="green")
        for offer in offers:
            tell(_offer(offer, tongue), mark="·")
        if not there:
            tell(words("staff.none", tongue))

    say({"members": [_member(one) for one in there], "links": [_link(one) for one in offers]}, as_json, show)


@staff.command("relink", short_help="A link, once, to set password and second factor anew.")
def relink(
    member: Annotated[
        str, typer.Argument(metavar="MEMBER", help="The login, or the beginning of the identifier; the owner if alone.")
    ] = "",
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Print a link by which a member sets password and second factor anew, once, within a day."""
    from pacte.app import relink as links
    from pacte.app.letters import address

    tongue = language(lang, house)
    with opened(house) as home:
        found = _named(home, member)
        token = links.relink(home, found.id, code("--by", by))
        url = address(home, tongue, f"staff/anew/{token}")

    def show() -> None:
        tell(words("staff.relinked", tongue, name=found.name), mark="✓", color="green")
        tell(url, whole=True)

    say({"member": found.id, "url": url}, as_json, show)


@staff.command("revoke", short_help="Take an open link back.")
def revoke(
    link: Annotated[int, typer.Argument(metavar="ENTRY", help="The ledger entry of the link, as `list` shows it.")],
    house: HouseOption = HERE,
    by: ByOption = "cli",
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Take an open link back: it opens nothing any more."""
    from pacte.app import relink as links

    tongue = language(lang, house)
    with opened(house) as home:
        links.revoke(home, link, code("--by", by))
    say({"revoked": link}, as_json, lambda: tell(words("staff.revoked", tongue), mark="✓", color="green"))


def _named(home: House, named: str) -> Member:
    from pacte.app.staff import members
    from pacte.kernel.errors import NotFound

    there = [one for one in members(home) if one.state == "active"]
    found = [one for one in there if _is(one, named)] if named else [one for one in there if one.role == "owner"]
    if len(found) != 1:
        raise NotFound("no member, or several, of this name; `pacte staff list` shows them all")
    return found[0]


def _is(member: Member, named: str) -> bool:
    return member.login.lower() == named.strip().lower() or (len(named) >= 6 and member.id.startswith(named))


def _role(role: str, lang: str) -> str:
    from pacte.app.wording import staff_role

    return staff_role(role, lang)


def _offer(offer: Offer, lang: str) -> str:
    from pacte.kernel.i18n import moment

    key = f"staff.open_{offer.act}"
    until = moment(offer.until, lang)
    return words(key, lang, role=_role(offer.role, lang), member=offer.member[:8], until=until, entry=offer.entry)


def _member(member: Member) -> dict[str, Any]:
    return {"member": member.id, "name": member.name, "login": member.login, "role": member.role}


def _link(offer: Offer) -> dict[str, Any]:
    return {
        "entry": offer.entry, "member": offer.member, "for": offer.act, "role": offer.role, "by": offer.by,
        "until": offer.until,
    }  # fmt: skip
