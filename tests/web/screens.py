"""Every screen: its name, its address below the language, who looks at it, and what has to be there first.

The matrix (`test_web_look.py`) opens each of them: rules of accessibility, widths, modes, languages, weight, no script.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pacte.app.people import people_of
from tests.web import arranged_staff

if TYPE_CHECKING:
    from pacte.kernel.ids import SubjectId
    from pacte.testing.shop import Shop

Who = Literal["nobody", "link", "fresh", "owner"]
"""Who looks: nobody, a customer who came by a link, one who just signed in, the first member of staff."""


def nothing(_shop: Shop) -> str:
    """Nothing has to be there first."""
    return ""


@dataclass(frozen=True)
class Screen:
    """One screen in one state. `arrange` brings the state about and returns what is added to the address."""

    name: str
    path: str
    who: Who = "nobody"
    arrange: Callable[[Shop], str] = nothing


DOORS = [
    Screen("home", ""),
    Screen("sign-in", "sign-in"),
    Screen("choices", "me/choices", "link"),
    Screen("notice", "notice"),
    Screen("notice-printed", "notice/print"),
    Screen("staff-sign-in", "staff/sign-in"),
    Screen("verify", "verify"),
    Screen("staff", "staff", "owner"),
]


def _customer(shop: Shop) -> SubjectId:
    from pacte.app.people import people_of

    with shop.house.reading() as conn:
        return people_of(shop.house, conn, f"email:{shop.permitted[0]}")[0]


def with_more(shop: Shop) -> str:
    """A policy with levels, and with purposes of which less is shown, and a use of each."""
    from pacte.app.uses import declare
    from tests.web.policies import richer, tell

    richer(shop.house)
    tell(shop.house, _customer(shop))
    for purpose in ("fraud_control", "returns_control", "statistics"):
        declare(shop.house, purpose, by="analysis")
    shop.house.permit(_customer(shop), "house:rights", by="staff:1")
    return ""


def levelled(shop: Shop) -> str:
    """The highest level of personalisation."""
    from pacte.app import levels

    subject = _customer(shop)
    shop.clock.forward(1e-6)
    now = levels.steps(shop.house, subject, "en")
    levels.choose_level(shop.house, subject, 3, now, seen=now.seen)
    return ""


def wished(shop: Shop) -> str:
    """A wish that was just recorded."""
    from pacte.app import preferences

    values = {"frequency": "weekly", "quiet": "21-08"}
    return f"?done={preferences.wish(shop.house, _customer(shop), 'email', values, by='person')}"


def objected(shop: Shop) -> str:
    """An objection that was just recorded."""
    shop.clock.forward(1e-6)
    done = shop.house.choose(_customer(shop), "statistics", "objected", by="person", authenticated=True)
    return f"?done={done.index}"


def _request(
    shop: Shop, email: str = "nadia@courriel.example", lasts: int = 0, typed: dict[str, str] | None = None
) -> str:
    """Somebody has typed an address; the token of the link in their letter."""
    from pacte.app import forms, links, optin
    from pacte.app.pending import Said

    house = shop.house
    found = forms.shown(house, "account", "fr")
    seen, found = forms.answered(house, "account", forms.ticket(house, found), ["newsletter.email"], ("stranger",))
    name = optin.ask(house, seen, found, Said(email, ["newsletter.email"], typed or {}, 18, "FR"))
    with house.reading() as conn:
        subject = people_of(house, conn, f"email:{email}")[0]
    payload = {"request": name, "subject": str(subject), "form": "account"}
    return links.seal(house, optin.LETTER, payload, lasts or optin.LINK_LASTS)


def _erased(shop: Shop) -> str:
    """Somebody had their data erased; the token of their certificate."""
    from pacte.app import links
    from pacte.kernel.instant import DAY
    from pacte.web.centre.data import ERASED

    done = shop.house.erase(f"email:{shop.permitted[-1]}", by="person")
    return links.seal(shop.house, ERASED, {"subject": done.subject}, DAY)


def _known(shop: Shop) -> str:
    return _request(shop, shop.permitted[3], typed={"customers.first_name": "Nadia", "customers.phone": "+33639981234"})


def _expired(shop: Shop) -> str:
    return _request(shop, "yann@courriel.example", -1)


def _confirmed(shop: Shop) -> str:
    from pacte.app import confirming, forms

    token = _request(shop, "maria@courriel.example")
    confirming.confirm(shop.house, token, forms.shown(shop.house, "account", "fr").form.notice.digest)
    return token


def _gone(shop: Shop) -> str:
    from pacte.app import optin

    token = _request(shop, "paul@courriel.example")
    optin.disown(shop.house, token)
    return token


CENTRE: list[Screen] = [
    Screen("me", "me", "link"),
    Screen("me-objected", "me", "link", objected),
    Screen("me-timeline", "me/timeline", "link"),
    Screen("me-timeline-end", "me/timeline?before=1", "link"),
    Screen("me-uses", "me/uses", "fresh"),
    Screen("me-uses-more", "me/uses?month=2026-11", "fresh", with_more),
    Screen("me-on-this-day", "me/on-this-day", "fresh"),
    Screen("me-preferences", "me/preferences", "link"),
    Screen("me-preferences-wished", "me/preferences", "link", wished),
    Screen("me-data", "me/data", "fresh"),
    Screen("me-data-erase", "me/data/erase", "fresh"),
    Screen("erased", "erased/", arrange=_erased),
]
FORMS: list[Screen] = [
    Screen("form", "forms/letter"),
    Screen("form-with-benefit", "forms/account"),
    Screen("form-signed-in", "forms/account", "link"),
    Screen("form-framed", "forms/account/embed"),
    Screen("confirm", "confirm/", arrange=_request),
    Screen("confirm-known", "confirm/", arrange=_known),
    Screen("confirm-expired", "confirm/", arrange=_expired),
    Screen("confirm-done", "confirm/", arrange=_confirmed),
    Screen("confirm-gone", "confirm/", arrange=_gone),
    Screen("shop", "shop"),
    Screen("shop-never-asked", "shop", "fresh"),
    Screen("shop-chosen", "shop", "fresh", levelled),
    Screen("shop-chosen-by-link", "shop?done=less", "link", levelled),
    Screen("shop-checkout", "shop/checkout"),
]
STAFF = [
    Screen("sign-in-again", "sign-in?again=1&next=me/sign-in"),
    Screen("sign-in-elsewhere", "sign-in/", "nobody", arranged_staff.someone_elses),
    Screen("own-sign-in", "me/sign-in", "fresh", arranged_staff.with_passkey("person")),
    Screen("staff-join", "staff/join/", "nobody", arranged_staff.invited),
    Screen("staff-join-over", "staff/join/", "nobody", arranged_staff.taken_back),
    Screen("staff-anew", "staff/anew/", "nobody", arranged_staff.relinked),
    Screen("staff-setup", "staff/setup", "owner"),
    Screen("staff-figures", "staff/figures", "owner"),
    Screen("staff-figures-wrong", "staff/figures?since=2026-12-01&until=2026-01-01", "owner"),
    Screen("staff-outcomes", "staff/outcomes", "owner", arranged_staff.with_outcomes),
    Screen("staff-people", "staff/people", "owner"),
    Screen("staff-person", "staff/people/", "owner", arranged_staff.looked),
    Screen("staff-forms", "staff/forms", "owner", lambda shop: arranged_staff.shown_form(shop)[:0]),
    Screen("staff-form", "staff/forms/", "owner", arranged_staff.shown_form),
    Screen("staff-form-drawn", "staff/forms/", "owner", arranged_staff.drawn_form),
    Screen("staff-ledger", "staff/ledger", "owner", arranged_staff.checked),
    Screen("staff-ledger-filtered", "staff/ledger?kind=choice&day=2026-11-18", "owner"),
    Screen("staff-looks", "staff/looks", "owner", lambda shop: arranged_staff.looked(shop)[:0]),
    Screen("staff-data", "staff/data", "owner"),
    Screen("staff-data-filtered", "staff/data?dataset=orders&purpose=newsletter", "owner"),
    Screen("staff-texts", "staff/texts", "owner", arranged_staff.reworded),
    Screen("staff-texts-missing", "staff/texts?show=missing&q=zzz", "owner"),
    Screen("staff-texts-review", "staff/texts/review", "owner", arranged_staff.reworded),
    Screen("staff-suppression", "staff/suppression?code=5.1.1", "owner", arranged_staff.suppressed),
    Screen("staff-segments", "staff/segments", "owner", lambda shop: arranged_staff.with_segment(shop)[:0]),
    Screen("staff-segment", "staff/segments/", "owner", arranged_staff.with_segment),
    Screen("staff-messages", "staff/messages", "owner", lambda shop: arranged_staff.with_message(shop)[:0]),
    Screen("staff-message", "staff/messages/", "owner", arranged_staff.with_message),
    Screen("staff-campaigns", "staff/campaigns", "owner", lambda shop: arranged_staff.campaign("ready")(shop)[:0]),
    Screen("staff-campaigns-new", "staff/campaigns/new", "owner", lambda shop: arranged_staff.with_message(shop)[:0]),
    Screen("staff-campaigns-whom", "staff/campaigns/new?message=", "owner", arranged_staff.with_message),
    Screen("staff-campaign-refused", "staff/campaigns/", "owner", arranged_staff.campaign("draft")),
    Screen("staff-campaign-entering", "staff/campaigns/", "owner", arranged_staff.campaign("entering")),
    Screen("staff-campaign-ready", "staff/campaigns/", "owner", arranged_staff.campaign("ready")),
    Screen("staff-campaign-asked", "staff/campaigns/", "owner", arranged_staff.campaign("ready", "/send")),
    Screen("staff-campaign-sending", "staff/campaigns/", "owner", arranged_staff.campaign("sending")),
    Screen("staff-campaign-held", "staff/campaigns/", "owner", arranged_staff.campaign("held")),
    Screen("staff-stops", "staff/stops", "owner", arranged_staff.with_stop),
    Screen("staff-delivery", "staff/delivery", "owner"),
    Screen("staff-lists", "staff/lists", "owner", arranged_staff.with_lists),
    Screen("staff-jobs", "staff/jobs", "owner", arranged_staff.waiting),
    Screen("staff-members", "staff/members", "owner", arranged_staff.with_members),
    Screen("staff-account", "staff/account", "owner", arranged_staff.with_passkey("staff")),
]
API: list[Screen] = [Screen("api", "api")]


def _stop(shop: Shop) -> str:
    """The token that ends the newsletter for a customer whom no other screen shows."""
    from pacte.app import unsubscribe

    with shop.house.reading() as conn:
        subject = people_of(shop.house, conn, f"email:{shop.permitted[-2]}")[0]
    return unsubscribe.token(shop.house, unsubscribe.Asked(subject, "newsletter", "email", "c" * 32))


def _stopped(shop: Shop) -> str:
    from pacte.app import unsubscribe

    token = _stop(shop)
    unsubscribe.unsubscribe(shop.house, unsubscribe.opened(shop.house, token))
    return token


def _used(shop: Shop) -> int:
    from pacte.gate.permit import Permit

    done = shop.house.permit(_customer(shop), "newsletter", channel="email", fields=("customers.email",), by="worker")
    assert isinstance(done, Permit)
    return done.index


def _why(shop: Shop) -> str:
    """The token that tells a customer of a use."""
    from pacte.app import history, why

    use = history.use_of(shop.house, _customer(shop), _used(shop)).use
    return why.link(shop.house, use, "en").rpartition("/")[2]


MESSAGES = [
    Screen("unsubscribe", "u/", arrange=_stop),
    Screen("unsubscribed", "u/", arrange=_stopped),
    Screen("why", "why/", arrange=_why),
    Screen("me-use-why", "me/use/", "fresh", lambda shop: f"{_used(shop)}/why"),
]

SCREENS = DOORS + CENTRE + FORMS + STAFF + API + MESSAGES
