"""What has to be there before the screens of the staff, and those to sign in, are looked at."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from pacte.kernel.instant import DAY, SECOND, Instant

if TYPE_CHECKING:
    from pacte.app.staff import Member
    from pacte.testing.shop import Shop


PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8ffff3f0005fe02fea7"
    "35814d0000000049454e44ae426082"
)
"""A picture of one point."""


def _owner(shop: Shop) -> Member:
    from pacte.app import staff

    return next(one for one in staff.members(shop.house) if one.role == "owner")


def looked(shop: Shop) -> str:
    """A look that this owner has begun."""
    from pacte.app import links, looks
    from pacte.web.console.people import LASTS, LOOKED

    found = _owner(shop)
    subject, index = looks.look(shop.house, f"email:{shop.permitted[0]}", "request", found.actor)
    shop.house.permit(subject, "newsletter", channel="email", by="python")
    says: dict[str, str | int] = {"subject": subject, "member": found.id, "reason": "request", "look": index}
    return links.seal(shop.house, LOOKED, says, LASTS)


def waiting(shop: Shop) -> str:
    """Letters that did not leave, and recipients whom nobody can tell."""
    from pacte.app.letters import SIGN_IN, letter_job
    from pacte.kernel import db, jobs

    now = shop.clock()
    shop.house.choose(f"email:{shop.permitted[1]}", "newsletter", "withdrawn", by="person", method="web_form")
    with db.write(shop.house.engine) as conn:
        letter = letter_job(SIGN_IN, "0" * 32, "fr", "x", Instant(now - 3_600 * SECOND * 2))
        jobs.add(conn, [letter])
        (claim,) = jobs.claim(conn, jobs.new_worker(), now, ["send_mail"])
        jobs.fail(conn, claim, now, "unsafe")
        jobs.add(conn, [letter_job(SIGN_IN, "1" * 32, "fr", "x", Instant(now - DAY))])
        (claim,) = jobs.claim(conn, jobs.new_worker(), now, ["send_mail"])
        jobs.end(conn, claim, now, "restricted")
    return ""


def with_segment(shop: Shop) -> str:
    """A segment that was saved twice; its name."""
    from pacte.app import segments

    near = {"field": "customers.city", "in": ["Rennes", "Nantes"]}
    segments.save(shop.house, "near", "newsletter", near, _owner(shop).actor)
    lately = {"field": "orders.last_order", "within": "12 months"}
    return segments.save(shop.house, "near", "newsletter", {"all": [near, {"not": lately}]}, _owner(shop).actor).name


def with_message(shop: Shop) -> str:
    """A message that was saved; its name."""
    from pacte.app import messages
    from pacte.uses.message.model import read
    from tests.uses.test_uses_message_checks import GOOD

    return messages.save(shop.house, read(GOOD.encode()), by=_owner(shop).actor).name


def campaign(state: str, more: str = "") -> Callable[[Shop], str]:
    """A campaign of a service message to everybody, in this state; its name, and what comes after it in the address."""

    def arrange(shop: Shop) -> str:
        from pacte.app import campaigns, messages, preparing
        from pacte.kernel import db
        from pacte.uses.message.model import read
        from tests.uses.test_uses_message_checks import SERVICE

        house, by = shop.house, _owner(shop).actor
        saved = messages.save(house, read(SERVICE.encode()), by=by)
        made = campaigns.make(house, saved.digest, by=by).id
        if state == campaigns.ENTERING:
            preparing.ask(house, made, by=by)
            return made
        if state == campaigns.DRAFT:
            with db.write(house.engine) as conn:
                campaigns.claim(conn, made, "turn", by, house.clock())
            campaigns.give_up(house, made, "turn", campaigns.FEW)
            return made
        campaigns.prepare(house, made, by=by)
        if state != campaigns.READY:
            campaigns.go(house, made, by=by)
        if state == campaigns.HELD:
            campaigns.hold(house, made, "mistake", by=by)
        return made + more

    return arrange


def with_stop(shop: Shop) -> str:
    """A purpose that was stopped, which no other screen is about."""
    from pacte.app.stop import stop

    stop(shop.house, "invoices", "precaution", by=_owner(shop).actor)
    return ""


def with_lists(shop: Shop) -> str:
    """A list that was collected and asked about, one that waits, and one that is over."""
    from pacte.app import exports, withdrawn

    by = _owner(shop).actor
    some = [exports.make(shop.house, "order_service", "email", recipient="mailer", by=by) for _ in range(3)]
    exports.collect(shop.house, some[0].id, shop.house.path / "taken.csv", by=by)
    withdrawn.asked(shop.house, some[0])
    exports.end(shop.house, some[1].id, by=by)
    return ""


def suppressed(shop: Shop) -> str:
    """Addresses that are written to no more: a customer's, which came back, and so many strangers' that they count."""
    from pacte.app import suppressions

    suppressions.add(shop.house, shop.permitted[2], "email", "bounced", by="worker")
    for number in range(60):
        suppressions.add(shop.house, f"x{number}@else.example", "email", "objected", by=_owner(shop).actor)
    return ""


def shown_form(shop: Shop) -> str:
    """A form that was shown, with its picture; its digest."""
    from pacte.app import forms

    digest = _shown(shop, "stranger")
    forms.keep_picture(shop.house, digest, PNG)
    return digest


def drawn_form(shop: Shop) -> str:
    """A form that an application drew; its digest."""
    return _shown(shop, "program")


def _shown(shop: Shop, reader: str) -> str:
    from pacte.app import forms

    found = forms.shown(shop.house, "account", "fr", reader)
    forms.remember(shop.house, found, picture=False)
    return found.digest


def checked(shop: Shop) -> str:
    """A check that was made."""
    from pacte.app import checks

    checks.look(shop.house, shop.clock())
    return ""


def invited(shop: Shop) -> str:
    """An invitation, and a member who took one up."""
    from pacte.app import staff

    found = _owner(shop)
    if len(staff.members(shop.house)) == 1:
        staff.join(shop.house, staff.invite(shop.house, "dpo", found), "dominique", "Dominique Dumont", "hash")
    return staff.invite(shop.house, "auditor", found)


def taken_back(shop: Shop) -> str:
    """An invitation that the owner took back."""
    from pacte.app import relink, staff

    found = _owner(shop)
    token = staff.invite(shop.house, "analyst", found)
    relink.revoke(shop.house, relink.every_open(shop.house)[0].entry, found.actor)
    return token


def relinked(shop: Shop) -> str:
    """A link by which the owner signs in anew."""
    from pacte.app import relink

    return relink.relink(shop.house, _owner(shop).id, "cli")


def with_members(shop: Shop) -> str:
    """Another member."""
    invited(shop)
    return ""


def with_passkey(kind: str) -> Callable[[Shop], str]:
    """A passkey of the owner, or of the customer who looks."""

    def arrange(shop: Shop) -> str:
        from pacte.app import passkeys
        from pacte.app.people import people_of

        with shop.house.reading() as conn:
            person = people_of(shop.house, conn, f"email:{shop.permitted[0]}")[0]
        new = passkeys.New(kind.encode(), b"public", 0)
        if kind == "staff":
            passkeys.add(shop.house, "staff", _owner(shop).id, new, "Clé du bureau")
        else:
            passkeys.add(shop.house, "person", person, new, "Téléphone")
        return ""

    return arrange


def someone_elses(shop: Shop) -> str:
    """A link to sign in that another browser asked for."""
    from pacte.app import links
    from pacte.app.letters import SIGN_IN

    return links.seal(shop.house, SIGN_IN, {"subject": "0" * 32, "browser": "0" * 32}, DAY)


def reworded(shop: Shop) -> str:
    """Two texts of the draft that are others than in force, and a change of the file that is more than words."""
    from pacte.app import drafts
    from pacte.app.house import POLICY

    house = shop.house
    now = {(text.path, lang): words for text in drafts.draft(house).texts for lang, words in text.words.items()}
    reason = ("purposes", "newsletter", "reason")
    said = {
        (reason, "en"): "To send you our letter, and no more.",
        (reason, "fr"): "Vous envoyer notre lettre, rien de plus.",
    }
    drafts.save(house, said, {place: drafts.known_as(now[place]) for place in said})
    file = house.path / POLICY
    file.write_text(file.read_text("utf-8").replace("keep: 25 months", "keep: 26 months"), "utf-8")
    return ""


def with_outcomes(shop: Shop) -> str:
    """A year of results, as they were counted and kept: of one purpose, with a month of which nothing could be told."""
    from pacte.app import outcomes
    from pacte.kernel import db
    from pacte.kernel.instant import add_months, parse_instant

    numbers = {
        ("sent", ""): 1200, ("refused", ""): 340, ("refused", "withdrawn"): 190, ("refused", "cap_reached"): 150,
        ("bounced", ""): 60, ("bounced", "status_5.1.1"): 60, ("unsubscribed", ""): 70,
    }  # fmt: skip
    months = [add_months(parse_instant("2026-10-01"), -ago) for ago in range(12)]
    rows = [
        (month, "newsletter", *about, people + 10 * ago)
        for ago, month in enumerate(months)
        for about, people in numbers.items()
        if ago != 5 and (about[0] != "bounced" or ago % 2)
    ]
    outcomes.outcomes(shop.house, 1)
    with db.write(shop.house.engine) as conn:
        if not db.fetch(conn, "SELECT 1 FROM outcome_month"):
            db.insert(conn, "outcome_month", ("month", "at"), [(month, shop.clock()) for month in months])
            db.insert(conn, "outcome_people", ("month", "purpose", "outcome", "reason", "people"), rows)
    return ""
