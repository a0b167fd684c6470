"""What a policy must hold together: every name refers to something, every purpose stands on its legal basis.

References are checked on the raw tree, so that a mistake elsewhere in the same purpose hides none of them; the rules of
a legal basis are checked on the parts that could be read. Each check notes all it finds.
"""

from __future__ import annotations

from pacte.kernel.i18n import LANGUAGES
from pacte.policy.categories import categories
from pacte.policy.dataset_checks import check_dataset
from pacte.policy.form_checks import check_form
from pacte.policy.law_checks import GROUNDS, check_law, named_laws, outside, repeated, told_of
from pacte.policy.mistakes import Mistakes, attempt
from pacte.policy.model import Contact, Controller, Purpose, Recipient
from pacte.policy.texts import lacking, languages, places
from pacte.policy.tree import Path, Tree, shown
from pacte.policy.weeks import week_of

_CONSENT_ONLY = ("minimum_grade", "expires_after", "explicit", "by_recipient", "asked_by")
_SHOWN = ("reason", "source")
_OBJECTABLE = ("consent", "legitimate_interests", "public_task")


def check(tree: Tree, mistakes: Mistakes) -> None:
    """Note everything that does not hold together."""
    _controller(tree, mistakes)
    _languages(tree, mistakes)
    _recipients(tree, mistakes)
    for name in tree.mapping("purposes"):
        _references(name, tree, mistakes)
        _basis(name, tree, mistakes)
        _special(name, tree, mistakes)
        _disclosure(name, tree, mistakes)
    _personalisation(tree, mistakes)
    _contact(tree, mistakes)
    _notices(tree, mistakes)
    for name in tree.mapping("forms"):
        check_form(name, tree, mistakes)
    check_law(tree, mistakes)
    for name in tree.mapping("datasets"):
        check_dataset(name, tree, mistakes)
    for section in ("purposes", "datasets"):
        if section in tree.mapping() and tree.at((section,)) == {}:
            mistakes.add((section,), f"no {section} declared; nothing would be permitted")


def _controller(tree: Tree, mistakes: Mistakes) -> None:
    controller = attempt(Controller, tree.at(("controller",)))
    if controller and controller.role == "processor" and not controller.behalf:
        mistakes.add(("controller", "role"), "a processor acts for somebody; say for whom with `behalf:` (Art. 28)")
    if controller and controller.role != "processor" and controller.behalf:
        mistakes.add(("controller", "behalf"), "`behalf` is for a processor only")
    if controller and controller.role == "joint_controller" and not controller.jointly:
        mistakes.add(
            ("controller", "role"), "a joint controller decides with somebody; say with whom with `jointly:` (Art. 26)"
        )
    if controller and controller.role != "joint_controller" and controller.jointly:
        mistakes.add(("controller", "jointly"), "`jointly` is for a joint controller only")


def _languages(tree: Tree, mistakes: Mistakes) -> None:
    declared = tree.texts("languages")
    for path, language in declared:
        if language not in LANGUAGES:
            mistakes.unknown(path, "language", language, LANGUAGES)
    wanted = languages(tree)
    for path in places(tree):
        words = tree.mapping(*path)
        for language in [language for language in wanted if words and language not in words]:
            mistakes.add(path, lacking(path, language))
        for language in [language for language in words if language not in wanted]:
            mistakes.unknown((*path, language), "language", language, wanted)


def _recipients(tree: Tree, mistakes: Mistakes) -> None:
    if "gdpr" not in named_laws(tree):
        return
    for name, node in tree.mapping("recipients").items():
        recipient = attempt(Recipient, node)
        if recipient and outside(recipient.place) and not recipient.safeguard:
            mistakes.add(
                ("recipients", name, "place"),
                f"recipient `{shown(name)}` is outside the European Economic Area; say what protects the data there "
                "with `safeguard:` (GDPR Art. 44 to 49)",
            )


def _references(name: str, tree: Tree, mistakes: Mistakes) -> None:
    fields = _fields(tree)
    uses = tree.texts("purposes", name, "uses")
    for path, word in uses:
        if word not in fields and "." in word:
            mistakes.unknown(path, "field", word, fields)
    for path, word in tree.texts("purposes", name, "exact"):
        if word not in dict.fromkeys(used for _, used in uses):
            mistakes.add(path, f"`{shown(word)}` is released exactly but not listed under `uses`")
    for path, word in tree.texts("purposes", name, "recipients"):
        if word not in tree.mapping("recipients"):
            mistakes.unknown(path, "recipient", word, tree.mapping("recipients"))
    for path, word in tree.texts("purposes", name, "asked_by"):
        notices = tree.mapping("notices")
        if word not in notices:
            mistakes.unknown(path, "notice", word, notices)
        elif name not in tree.mapping("notices", word, "tells"):
            mistakes.add(path, f"notice `{shown(word)}` does not tell of `{shown(name)}`, so nobody was asked by it")
    for key in ("uses", "exact", "recipients", "channels", "public", "asked_by"):
        repeated(tree, mistakes, ("purposes", name, key))


def _basis(name: str, tree: Tree, mistakes: Mistakes) -> None:
    purpose, here = attempt(Purpose, tree.at(("purposes", name))), ("purposes", name)
    if purpose is None:
        return
    declared = tree.mapping(*here)
    if purpose.basis != "consent":
        for key in [key for key in _CONSENT_ONLY if key in declared and getattr(purpose, key)]:
            mistakes.add(
                (*here, key), f"`{key}` is for purposes that rest on consent; this one rests on `{purpose.basis}`"
            )
        if purpose.ages and purpose.ages.below:
            mistakes.add(
                (*here, "ages"), "`below: guardian` asks for a parent's consent; this purpose does not rest on it"
            )
    elif not purpose.in_return:
        mistakes.add(here, f"purpose `{name}` asks for consent and does not say what the person gets: add `in_return`")
    if purpose.kind == "direct_marketing" and purpose.basis not in ("consent", "legitimate_interests"):
        mistakes.add(
            (*here, "basis"),
            f"direct marketing cannot rest on `{purpose.basis}`; expected `consent` or `legitimate_interests`",
        )
    if purpose.honours and purpose.basis not in _OBJECTABLE:
        mistakes.add((*here, "honours"), f"no objection stops a purpose that rests on `{purpose.basis}`")
    if purpose.by_recipient and not purpose.recipients:
        mistakes.add((*here, "by_recipient"), "`by_recipient: yes` needs `recipients` to choose from")
    for key, flag in (("decision", "automated_decision"), ("worth", "financial_incentive")):
        if getattr(purpose, key) and not getattr(purpose, flag):
            mistakes.add((*here, key), f"`{key}` explains what `{flag}: yes` declares; add it, or remove the text")
    if purpose.kind == "sharing" and not purpose.recipients:
        mistakes.add(here, f"purpose `{name}` shares data and names no `recipients`")
    if not purpose.uses:
        mistakes.add((*here, "uses"), f"purpose `{name}` uses no field")


def _special(name: str, tree: Tree, mistakes: Mistakes) -> None:
    """Special categories need a ground of their own. Source: GDPR Art. 9(2), 10."""
    purpose, fields = attempt(Purpose, tree.at(("purposes", name))), _fields(tree)
    if purpose is None or purpose.kind == "legal_claims":
        return
    # Where the Regulation does not apply, an exception of the law that does is for its pack to judge.
    laws = named_laws(tree)
    excepted = any(word in GROUNDS or "gdpr" not in laws for word in purpose.exceptions)
    for path, word in tree.texts("purposes", name, "uses"):
        category = categories().get(fields.get(word, ""))
        if category is None or not category.special:
            continue
        if category.special == "art10" and purpose.basis != "legal_obligation":
            mistakes.add(path, f"`{word}` is about convictions or offences: only a law allows its use (GDPR Art. 10)")
        elif category.special == "art10" or excepted:
            continue
        elif purpose.basis == "consent" and not purpose.explicit:
            mistakes.add(
                path,
                f"`{word}` is of the special category `{category.id}`: consent must be explicit; "
                "say so with `explicit: yes` (GDPR Art. 9(2)(a))",
            )
        elif purpose.basis not in ("consent", "vital_interests"):
            mistakes.add(
                path,
                f"`{word}` is of the special category `{category.id}`, which `{purpose.basis}` does not allow; "
                "expected explicit consent, vital interests, legal claims, or an exception of GDPR Art. 9(2) under "
                "`exceptions`, such as `health_care`",
            )


def _disclosure(name: str, tree: Tree, mistakes: Mistakes) -> None:
    """People are shown each use of their data, unless a law lets them not be. Source: GDPR Art. 15(1), 15(4), 23."""
    purpose, here = attempt(Purpose, tree.at(("purposes", name))), ("purposes", name, "disclosure")
    if purpose is None or purpose.disclosure is None:
        return
    shown_as = purpose.disclosure
    for key in [key for key in _SHOWN if shown_as.level != "full" and not getattr(shown_as, key)]:
        mistakes.add(here, f"people are not shown every use for `{name}`; say why they may not be with `{key}`")
    if shown_as.level != "full" and purpose.basis == "consent":
        mistakes.add(here, f"`{name}` rests on consent: whoever agrees is shown each use; expected `level: full`")
    if (shown_as.level == "deferred") != (shown_as.delay is not None):
        mistakes.add(here, "`level: deferred`, and no other, says after how long a use is shown with `delay`")


def _personalisation(tree: Tree, mistakes: Mistakes) -> None:
    """Levels of personalisation are asked for, each once. Source: GDPR Art. 4(11), 7; Québec P-39.1 s. 8.1, 9.1."""
    seen: set[str] = set()
    for place in range(_length(tree, ("personalisation",))):
        here = ("personalisation", place, "purpose")
        name, purposes = _text(tree, here), tree.mapping("purposes")
        purpose = attempt(Purpose, tree.at(("purposes", name))) if name in purposes else None
        if name and name not in purposes:
            mistakes.unknown(here, "purpose", name, purposes)
        elif name in seen:
            mistakes.add(here, f"`{shown(name)}` is a level already; each purpose is one level")
        elif purpose and (purpose.basis != "consent" or purpose.by_recipient):
            mistakes.add(here, f"`{shown(name)}` cannot be a level: expected consent, given for all recipients at once")
        seen.add(name)


def _contact(tree: Tree, mistakes: Mistakes) -> None:
    """Offers are counted as long as they are remembered, and hours leave some to reach people at."""
    contact = attempt(Contact, tree.at(("contact",)))
    if contact is None:
        return
    for place, cap in enumerate(contact.caps):
        if cap.within.months > 12 or cap.within.days > 366:
            mistakes.add(("contact", "caps", place, "within"), "a cap over more than a year; expected a year at most")
    for channel, hours in contact.hours.items():
        if not any(week_of(hours.open)):
            mistakes.add(("contact", "hours", channel, "open"), "no hour at all; leave the channel out of the purposes")


def _length(tree: Tree, path: Path) -> int:
    found = tree.at(path)
    return len(found) if isinstance(found, list) else 0


def _notices(tree: Tree, mistakes: Mistakes) -> None:
    texts: dict[str, str] = {}
    for name, node in tree.mapping("notices").items():
        text = node.get("text") if isinstance(node, dict) else None
        if isinstance(text, str) and text in texts:
            first = texts[text]
            mistakes.add(
                ("notices", name, "text"), f"the same text as notice `{first}`; a notice is known by its text alone"
            )
        elif isinstance(text, str):
            texts[text] = name
        for purpose in tree.mapping("notices", name, "tells"):
            here = ("notices", name, "tells", purpose)
            told_of(here, tree, mistakes)
            for path, category in tree.texts(*here):
                if category not in categories():
                    mistakes.unknown(path, "category", category, categories())


def _fields(tree: Tree) -> dict[str, str]:
    """Every `dataset.field` and `dataset.aggregate` that is declared, and its category where it has one."""
    found: dict[str, str] = {}
    for dataset in tree.mapping("datasets"):
        for name in tree.mapping("datasets", dataset, "fields"):
            found[f"{dataset}.{name}"] = _text(tree, ("datasets", dataset, "fields", name, "category"))
        for name in tree.mapping("datasets", dataset, "aggregates"):
            here = ("datasets", dataset, "aggregates", name)
            source = _text(tree, (*here, "field"))
            found[f"{dataset}.{name}"] = _text(tree, (*here, "category")) or found.get(f"{dataset}.{source}", "")
    return found


def _text(tree: Tree, path: Path) -> str:
    value = tree.at(path)
    return value if isinstance(value, str) else ""
