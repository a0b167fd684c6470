"""`policy unused`: which declared fields no recorded use has read, and the proposal not to collect them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pacte.cli.output import HERE, HouseOption, JsonOption, LangOption, counted, language, opened, say, tell, words

if TYPE_CHECKING:
    from pacte.app.valued import Unread, Valued
    from pacte.policy.model import PolicyFile


def unused(
    months: Annotated[
        int, typer.Option("--months", metavar="N", help="For how many months nothing must have read a field.")
    ] = 12,
    house: HouseOption = HERE,
    lang: LangOption = "",
    as_json: JsonOption = False,
) -> None:
    """Say which declared fields no recorded use has read for some months: data are limited to what is necessary.

    Uses of many people and of one count, the house's own purposes do not. A field that is newer is not named.
    """
    from pacte.app.datamap import data_map
    from pacte.app.valued import valued

    tongue = language(lang, house)
    with opened(house) as home:
        found = data_map(home)
        silent = valued(home, found, months)
    say(
        {
            "months": silent.months,
            "since": silent.since,
            "fields": silent.fields,
            "unread": [_json(one, found.policy) for one in silent.unread],
            "young": silent.young,
        },
        as_json,
        lambda: _show(silent, found.policy, tongue),
    )


def _json(one: Unread, policy: PolicyFile) -> dict[str, Any]:
    from pacte.app.valued import proposal
    from pacte.kernel.i18n import LANGUAGES

    proposals = {lang: proposal(one, policy, lang) for lang in LANGUAGES}
    names = ("path", "category", "declared", "last", "purposes", "duties")
    return {name: getattr(one, name) for name in names} | {"words": proposals}


def _show(found: Valued, policy: PolicyFile, lang: str) -> None:
    from pacte.app.valued import proposal
    from pacte.kernel.i18n import day

    since = day(found.since, lang)
    if found.unread:
        tell(counted("unread.found", lang, len(found.unread), since=since, fields=found.fields))
    else:
        tell(words("unread.none", lang, since=since, fields=found.fields))
    for one in found.unread:
        last = words("unread.last", lang, day=day(one.last, lang)) if one.last else words("unread.never", lang)
        tell(words("unread.field", lang, field=one.path, declared=day(one.declared, lang), last=last), mark="·")
        tell(proposal(one, policy, lang), indent=2)
    if found.young and found.unread:
        tell(counted("unread.young", lang, found.young))
