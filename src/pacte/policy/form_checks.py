"""What a form must hold together: it asks for consent and nothing else, and for each yes it tells what the yes is to.

A box that is ticked beforehand cannot be written: the file has no word for it. Source: GDPR Art. 4(11), 7; CJEU
C-673/17.
"""

from __future__ import annotations

from pacte.policy.categories import categories, covered
from pacte.policy.mistakes import Mistakes, attempt
from pacte.policy.model import Benefit, Dataset, Form, Purpose
from pacte.policy.tree import Path, Tree, shown

TICKED = frozenset({"ticked", "checked", "prechecked", "preticked", "pre_ticked", "pre_checked", "default", "selected"})
"""What people call a box that is ticked beforehand."""
TYPED = {"email": "email", "sms": "phone", "phone": "phone", "messaging": "phone", "post": "address"}
"""By channel: the identity that reaching somebody by it needs."""
DECLARED_AGES = (13, 14, 15, 16, 18)
"""Ages that people may declare by a box; those that rules know of."""
ASKABLE = ("email", "phone", "name", "address")
"""Identities that a form may ask for."""


def check_form(name: str, tree: Tree, mistakes: Mistakes) -> None:
    """Note everything that is wrong with one form."""
    here = ("forms", name)
    _never_ticked(here, tree, mistakes)
    form = attempt(Form, tree.at(here))
    if form is None:
        return
    if not form.purposes:
        mistakes.add((*here, "purposes"), f"form `{name}` asks for nothing; name a purpose that rests on consent")
    for purpose, channels in form.purposes.items():
        _asked((*here, "purposes", purpose), form, channels, tree, mistakes)
    if form.over is not None and form.over not in DECLARED_AGES:
        words = _listed(tuple(map(str, DECLARED_AGES)))
        mistakes.add((*here, "over"), f"no rule knows this age; expected one of {words}")
    _notices(here, form, tree, mistakes)
    _asks(here, form, tree, mistakes)
    if form.benefit:
        _benefit((*here, "benefit"), form, form.benefit, mistakes)


def texts_of_forms(tree: Tree) -> list[Path]:
    """Where forms have texts that people read."""
    places: list[Path] = []
    for name in tree.mapping("forms"):
        here: Path = ("forms", name)
        places += [(*here, key) for key in ("title", "text")]
        places += [(*here, "asks", field) for field in tree.mapping(*here, "asks")]
        places += [(*here, "benefit", key) for key in ("what", "because", "otherwise", "lost")]
    return places


def _never_ticked(here: Path, tree: Tree, mistakes: Mistakes) -> None:
    asked = tree.mapping(*here, "purposes")
    places: list[Path] = [here, (*here, "purposes"), *((*here, "purposes", purpose) for purpose in asked)]
    for place in places:
        for key in tree.mapping(*place).keys() - tree.mapping("purposes").keys():
            if key.lower().replace("-", "_") in TICKED:
                mistakes.add(
                    (*place, key),
                    "no box is ticked beforehand: a yes is an act of the person (GDPR Art. 4(11); CJEU C-673/17); "
                    f"remove `{key}`",
                )


def _asked(here: Path, form: Form, channels: tuple[str, ...], tree: Tree, mistakes: Mistakes) -> None:
    """A purpose of the form rests on consent, and its channels can be reached by what is typed.

    A form that a base declares asks for as much of it as the extension still does.
    """
    name, declared = str(here[-1]), tree.mapping("purposes")
    inherited = bool(tree.files.get(here))
    if name not in declared and inherited:
        return
    if name not in declared:
        mistakes.unknown(here, "purpose", name, declared)
        return
    purpose = attempt(Purpose, tree.at(("purposes", name)))
    if purpose is None:
        return
    if purpose.basis != "consent":
        mistakes.add(
            here,
            f"`{name}` rests on `{purpose.basis}`: nobody is asked for a yes that decides nothing; a form asks for "
            "purposes that rest on consent (GDPR Art. 4(11), 6(1))",
        )
    if purpose.channels and not channels:
        known = ", ".join(f"`{channel}`" for channel in purpose.channels)
        mistakes.add(here, f"a yes to `{name}` is for one channel: name some of {known}, each has a box of its own")
    reached = {_identity(path, tree) for path in form.asks}
    for place, channel in enumerate(channels):
        if channel not in purpose.channels and inherited:
            continue
        if channel not in purpose.channels:
            mistakes.add((*here, place), f"`{name}` does not use the channel `{channel}`")
        elif TYPED.get(channel, "email") not in reached:
            mistakes.add((*here, place), f"`{channel}` and no field under `asks` to reach anybody by it; add one")


def _notices(here: Path, form: Form, tree: Tree, mistakes: Mistakes) -> None:
    """A notice in each language, each of which tells of all that is asked. Source: GDPR Art. 4(11), 7(2), 13."""
    known, seen = tree.mapping("notices"), set[str]()
    if not form.notices:  # then the newest that tells of all is shown; publishing refuses a form that would have none
        return
    for place, name in enumerate(form.notices):
        at = (*here, "notices", place)
        if name not in known:
            mistakes.unknown(at, "notice", name, known)
            continue
        language = _locale(name, tree)
        if language in seen:
            mistakes.add(at, f"a second notice in `{shown(language)}`; a form shows one in each language")
        seen.add(language)
        for purpose in form.purposes:
            _told(at, name, purpose, tree, mistakes)
    if missing := [language for language in _languages(tree) if language not in seen and known]:
        words = ", ".join(f"`{shown(one)}`" for one in missing)
        mistakes.add((*here, "notices"), f"form `{shown(str(here[-1]))}` shows no notice in {words}")


def _languages(tree: Tree) -> list[str]:
    return [language for _, language in tree.texts("languages")] or ["fr", "en"]


def _locale(notice: str, tree: Tree) -> str:
    locale = tree.at(("notices", notice, "locale"))
    return locale.partition("-")[0] if isinstance(locale, str) else ""


def _told(at: Path, notice: str, name: str, tree: Tree, mistakes: Mistakes) -> None:
    purpose = attempt(Purpose, tree.at(("purposes", name)))
    if purpose is None:
        return
    tells = tree.mapping("notices", notice, "tells")
    if name not in tells:
        mistakes.add(
            at,
            f"notice `{shown(notice)}` does not tell of `{name}`: a yes to what nobody was told of is no yes "
            "(GDPR Art. 4(11), 13(1)(c)); show a notice that tells of it",
        )
        return
    told = covered(category for _, category in tree.texts("notices", notice, "tells", name))
    missing = sorted({_category(path, tree) for path in purpose.uses} - told - {""})
    if missing and all(one in categories() for one in missing):
        words = ", ".join(f"`{one}`" for one in missing)
        mistakes.add(
            at,
            f"notice `{shown(notice)}` tells of `{name}` without {words}: the yes would count for nobody "
            "(GDPR Art. 4(11), 14(1)(d))",
        )
    if purpose.asked_by and notice not in purpose.asked_by:
        mistakes.add(
            at, f"a yes to `{name}` counts only under the notices of its `asked_by`; `{shown(notice)}` is none"
        )


def _asks(here: Path, form: Form, tree: Tree, mistakes: Mistakes) -> None:
    """What is typed are identities of one table of people, one of them an e-mail address: by it a yes is confirmed."""
    datasets: set[str] = set()
    for path in form.asks:
        at, (dataset, _, field) = (*here, "asks", path), path.partition(".")
        found = attempt(Dataset, tree.at(("datasets", dataset)))
        if found is None or field not in found.fields:
            known = [f"{one}.{name}" for one in tree.mapping("datasets") for name in _fields(one, tree)]
            mistakes.unknown(at, "field", path, known)
            continue
        datasets.add(dataset)
        if found.per != "person" or found.fields[field].identity not in ASKABLE:
            mistakes.add(at, f"a form asks how to reach a person: expected a field with `identity` {_listed(ASKABLE)}")
    if len(datasets) > 1:
        mistakes.add((*here, "asks"), "fields of several datasets; what one person types belongs to one of them")
    if datasets and "email" not in {_identity(path, tree) for path in form.asks}:
        mistakes.add((*here, "asks"), "no e-mail address is asked for, by which a yes is confirmed (GDPR Art. 7(1))")


def _benefit(here: Path, form: Form, benefit: Benefit, mistakes: Mistakes) -> None:
    """A benefit may be tied to a yes only if the yes stays free. Source: GDPR Art. 7(4), recitals 42, 43."""
    if benefit.purpose not in form.purposes:
        mistakes.add(
            (*here, "purpose"), f"this form does not ask for `{shown(benefit.purpose)}`; expected one it asks for"
        )
    questions = {
        "necessary": "are the data necessary for it? say `necessary: no`, or rest the purpose on a contract",
        "because": "why is the yes free all the same? say it with `because`",
        "otherwise": "what does whoever says no get in its place? say it with `otherwise`",
        "lost": "what is lost on withdrawal? say it with `lost`",
    }
    for key, question in questions.items():
        if getattr(benefit, key) is None:
            mistakes.add(here, f"a benefit is tied to a yes, and a question is open: {question} (GDPR Art. 7(4))")
    if benefit.necessary:
        mistakes.add(
            (*here, "necessary"),
            "what is necessary for an offer rests on a contract (GDPR Art. 6(1)(b)), and a yes that it hangs on is not "
            "free (Art. 7(4)): change the basis of the purpose, or say `no`",
        )


def _identity(path: str, tree: Tree) -> str:
    dataset, _, field = path.partition(".")
    found = tree.at(("datasets", dataset, "fields", field, "identity"))
    return found if isinstance(found, str) else ""


def _category(path: str, tree: Tree) -> str:
    """The category of a field or an aggregate; `""` where that cannot be told here."""
    dataset, _, name = path.partition(".")
    found = attempt(Dataset, tree.at(("datasets", dataset)))
    known = found is not None and (name in found.fields or name in found.aggregates)
    try:
        return found.category_of(name) if found and known else ""
    except KeyError:
        return ""


def _fields(dataset: str, tree: Tree) -> list[str]:
    return list(tree.mapping("datasets", dataset, "fields"))


def _listed(words: tuple[str, ...]) -> str:
    return ", ".join(f"`{word}`" for word in words)
