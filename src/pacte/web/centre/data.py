"""My data: what is held, field by field; to take away; to erase. Each asks who it is a moment before.

Source: GDPR Art. 15, 17, 20; EDPB Guidelines 01/2022.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from babel.numbers import format_decimal
from fastapi import APIRouter, Request, Response

from pacte.app import certificate as certificates
from pacte.app import erase as erasing
from pacte.app import links, mydata, wording
from pacte.app.erase import Certificate
from pacte.app.house import House
from pacte.app.policies import document
from pacte.consent.notice.words import category, of_policy
from pacte.intake.people import group_of
from pacte.kernel import db, i18n
from pacte.kernel.ids import SubjectId
from pacte.kernel.instant import DAY, from_date
from pacte.policy import channels
from pacte.policy.categories import categories
from pacte.policy.model import DataField, PolicyFile
from pacte.web import session
from pacte.web.centre.words import known, lengths
from pacte.web.pages import language, page, to, words
from pacte.web.security import Posted, throttle
from pacte.web.session import fresh_person

router = APIRouter()

ERASED, KEPT = "erased", 30 * DAY
"""The kind of link that leads to a certificate of erasure, and how long it does: the person has no sign-in any more."""
AT_ONCE = 50
"""How many rows of a dataset the page shows; the file holds them all."""


@router.get("/{lang}/me/data")
def data(request: Request) -> Response:
    """What is held. Showing it is a use, recorded like any other."""
    signed_in = fresh_person(request)
    throttle(request, "data", 60, 600, who=signed_in.who)
    lang = language(request)
    held = mydata.held(request.app.state.house, SubjectId(signed_in.who))
    return page(
        request,
        "centre/data.html",
        held=held,
        data={name: category(name, lang) for name in categories()},
        value=lambda value, declared=None: _written(value, declared, lang),
        facts=[(wording.facts({one.name: one.value.reveal()}, lang)[0], one) for one in held.facts],
        called=lambda title, otherwise: _called(title, otherwise, lang),
        at_once=AT_ONCE,
        labels=known("fact"),
    )


@router.get("/{lang}/me/data/export")
def export(request: Request) -> Response:
    """The same as a file for programs."""
    signed_in = fresh_person(request)
    throttle(request, "data", 60, 600, who=signed_in.who)
    house: House = request.app.state.house
    found = mydata.exported(house, mydata.held(house, SubjectId(signed_in.who)))
    content = json.dumps(found, ensure_ascii=False, indent=1) + "\n"
    named = {"Content-Disposition": f'attachment; filename="data-{signed_in.who[:8]}.json"'}
    return Response(content, media_type="application/json", headers=named)


@router.get("/{lang}/me/data/erase")
def asking(request: Request) -> Response:
    """What would go, what would stay and why, and the question."""
    return _asking(request, fresh_person(request))


@router.post("/{lang}/me/data/erase")
def erase(request: Request, form: Posted) -> Response:
    """Erase, once it was said twice; every session of the person ends with it."""
    signed_in = fresh_person(request)
    throttle(request, "erase", 10, 600, who=signed_in.who)
    if form.get("sure") != "yes":
        return _asking(request, signed_in, problem=True)
    house: House = request.app.state.house
    done = house.erase(signed_in.who, by="person")
    with db.write(house.engine) as conn:
        session.end_all(conn, signed_in.who)
    request.state.person = None
    answer = to(request, f"erased/{links.seal(house, ERASED, {'subject': done.subject}, KEPT)}")
    session.end(request, answer, "person")
    return answer


@router.get("/{lang}/erased/{token}")
def erased(request: Request, token: str) -> Response:
    """The certificate: a page for whoever has its address, and the file of it."""
    done, house = _certificate(request, token), request.app.state.house
    places = _places(document(house), done.counts, language(request))
    return page(request, "centre/erased.html", done=done, places=places, token=token)


@router.get("/{lang}/erased/{token}/file")
def erased_file(request: Request, token: str) -> Response:
    """The certificate as a file that anybody can check."""
    done, house = _certificate(request, token), request.app.state.house
    named = {"Content-Disposition": f'attachment; filename="{certificates.file_name(done)}"'}
    content = certificates.certificate_file(house, done, language(request))
    return Response(content, media_type="application/json", headers=named)


def _certificate(request: Request, token: str) -> Certificate:
    throttle(request, "certificate", 60, 600)
    house: House = request.app.state.house
    return certificates.certificate(house, SubjectId(links.opened(house, ERASED, token)["subject"]))


def _asking(request: Request, signed_in: session.Session, *, problem: bool = False) -> Response:
    house: House = request.app.state.house
    plan, policy, lang = erasing.plan(house, signed_in.who), document(house), language(request)
    return page(
        request,
        "centre/erase.html",
        status=422 if problem else 200,
        plan=plan,
        places=_places(policy, plan.counts, lang),
        policy=policy,
        problem=problem,
        length=lengths(lang),
    )


def _places(policy: PolicyFile, counts: Mapping[str, int], lang: str) -> list[tuple[str, int]]:
    """What lies in each place, as the kinds of data that it holds, and how many rows."""
    found = []
    for place, rows in counts.items():
        kind, _, name = place.partition(":")
        held = [
            field.category
            for dataset_name, dataset in policy.datasets.items()
            for column, field in dataset.fields.items()
            if (kind == "vault" and field.identity and group_of(dataset, column) == name)
            or (kind == "lake" and not field.identity and dataset_name == name)
        ]
        said = ", ".join(category(one, lang) for one in dict.fromkeys(held)) or name
        if kind == "lists":
            said = words("centre", lang, "erase.lists", channel=channels.named(name, lang))
        found.append((said[:1].upper() + said[1:], rows))
    return found


def _called(title: Mapping[str, str] | None, otherwise: str, lang: str) -> str:
    """A dataset or a field as people call it."""
    words = of_policy(title, lang) if title else otherwise
    return words[:1].upper() + words[1:]


def _written(value: Any, declared: DataField | None, lang: str) -> str:
    """A value as the language writes it."""
    kind = declared.type if declared else ""
    if value is None:
        return "–"
    if kind == "instant":
        return i18n.moment(value, lang)
    if kind == "date":
        return i18n.day(from_date(date.fromisoformat(value) if isinstance(value, str) else value), lang)
    if kind == "decimal":
        return str(format_decimal(value, "#,##0.00##", locale=lang))
    return str(value)
