"""What a policy tells the laws it names must hold together: exceptions, safeguards, statements, revealing values.

What a law makes of it is not checked here: a purpose that a law refuses compiles, and nobody is in it (`lint`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from pacte.kernel.errors import PolicyError
from pacte.policy.categories import categories
from pacte.policy.extends import is_file
from pacte.policy.mistakes import Mistakes, alike, attempt
from pacte.policy.model import DataField, PolicyFile, Purpose, Safeguard
from pacte.policy.packs import BUILT_IN, Pack, built_in, exceptions, packs_of
from pacte.policy.places import within
from pacte.policy.tree import Path, Tree, shown

GROUNDS = (
    "employment_law",
    "vital_interests",
    "not_for_profit_members",
    "manifestly_public",
    "substantial_public_interest",
    "health_care",
    "public_health",
    "archiving_research",
)
"""Exceptions that open the special categories without consent. Source: GDPR Art. 9(2)(b) to (j)."""


DEFAULT_LAWS: tuple[str, ...] = PolicyFile.model_fields["laws"].default


_CALLED = {
    **dict.fromkeys(("rgpd", "dsgvo", "avg", "eu", "ue", "eugdpr"), "gdpr"),
    **dict.fromkeys(("france", "cnil", "loi7817", "informatiqueetlibertes", "informatiqueetlibertés"), "fr"),
    **dict.fromkeys(("ccpa", "cpra", "california", "californie", "calif", "ca", "usca"), "us-ca"),
    **dict.fromkeys(("loi25", "law25", "bill64", "quebec", "québec", "qc", "p391", "caqc"), "ca-qc"),
    **dict.fromkeys(("coppa", "uscoppa"), "us-coppa"),
    **dict.fromkeys(("hipaa", "ushipaa"), "us-hipaa"),
}
"""What people call a law → its name here; written without spaces and signs."""


def outside(place: str) -> bool:
    """Whether data at a place have left the area where the Regulation lets them move freely.

    >>> outside("NO"), outside("RE"), outside("US")
    (False, False, True)
    """
    transfers = built_in("gdpr").file.transfers
    return not any(within(place, area) for area in (transfers.area if transfers else ()))


def named_laws(tree: Tree) -> list[str]:
    """The laws that a policy applies, as it names them or as it leaves them unsaid."""
    return [law for _, law in tree.texts("laws")] if "laws" in tree.mapping() else list(DEFAULT_LAWS)


def check_law(tree: Tree, mistakes: Mistakes) -> None:
    """Note everything that the policy tells its laws and that does not hold together."""
    _laws(tree, mistakes)
    for name in tree.mapping("purposes"):
        _claims(name, tree, mistakes)
        _declared(name, tree, mistakes)
    for name in tree.mapping("recipients"):
        _safeguard(("recipients", name, "safeguard"), tree, mistakes)
    for name in tree.mapping("notices"):
        _says(name, tree, mistakes)
    for dataset in tree.mapping("datasets"):
        for name in tree.mapping("datasets", dataset, "fields"):
            _reveals(("datasets", dataset, "fields", name), tree, mistakes)
    for path in (("open_to",), ("controller", "regulated_as")):
        repeated(tree, mistakes, path)


def repeated(tree: Tree, mistakes: Mistakes, path: Path) -> None:
    """Note each text that a list holds twice."""
    seen: set[str] = set()
    for place, word in tree.texts(*path):
        if word in seen:
            mistakes.add(place, f"`{shown(word)}` is listed twice")
        seen.add(word)


def _laws(tree: Tree, mistakes: Mistakes) -> None:
    for path, law in tree.texts("laws"):
        meant = _CALLED.get(re.sub("[^a-z0-9]", "", law.lower()))
        if law in BUILT_IN or is_file(law):
            continue
        if meant:
            mistakes.add(path, f"unknown law `{shown(law)}`; did you mean `{meant}`?")
        else:
            mistakes.unknown(path, "law", law, BUILT_IN)
    if tree.at(("laws",)) == []:
        mistakes.add(("laws",), f"no law named; expected some of {', '.join(f'`{law}`' for law in BUILT_IN)}")
    repeated(tree, mistakes, ("laws",))


def _claims(name: str, tree: Tree, mistakes: Mistakes) -> None:
    claimed, named = tree.mapping("purposes", name, "exceptions"), named_laws(tree)
    # A company's own pack may define more words: `check_own_exceptions` looks when it was read.
    if not claimed or any(is_file(law) for law in named):
        return
    _exceptions(name, claimed, exceptions([built_in(law) for law in named if law in BUILT_IN]), mistakes)


def check_own_exceptions(document: PolicyFile, mistakes: Mistakes) -> None:
    """Note exceptions that neither pacte's packs nor the policy's own define; its own packs were read by now."""
    claiming = {name: purpose.exceptions for name, purpose in document.purposes.items() if purpose.exceptions}
    if not claiming or not any(is_file(law) for law in document.laws):
        return
    try:
        words = exceptions(packs_of(document))
    except PolicyError:
        return  # compiling tells what is wrong with the pack
    for name, claimed in claiming.items():
        _exceptions(name, claimed, words, mistakes)


def _exceptions(name: str, claimed: Iterable[str], words: Mapping[str, Pack], mistakes: Mistakes) -> None:
    known = exceptions()
    for word in [word for word in claimed if word not in words]:
        here = ("purposes", name, "exceptions", word)
        if word not in known:
            mistakes.unknown(here, "exception", word, words)
            continue
        law = known[word].id
        mistakes.add(
            here,
            f"`{word}` is an exception of `{law}`, which `laws` does not name; add it there, or remove the exception",
        )


def _declared(name: str, tree: Tree, mistakes: Mistakes) -> None:
    purpose, here = attempt(Purpose, tree.at(("purposes", name))), ("purposes", name)
    repeated(tree, mistakes, (*here, "technology"))
    if purpose is None:
        return
    if purpose.balancing and purpose.basis != "legitimate_interests":
        mistakes.add(
            (*here, "balancing"),
            f"a balancing test is for legitimate interests; this purpose rests on `{purpose.basis}`: "
            "remove it, or change `basis` (GDPR Art. 6(1)(f))",
        )
    if purpose.kind == "inference" and purpose.basis != "consent":
        mistakes.add(
            (*here, "basis"),
            f"inference about a person's mind, health or worth cannot rest on `{purpose.basis}`; "
            "expected `consent` with `explicit: yes` (GDPR Art. 9(2)(a), 22)",
        )
    elif purpose.kind == "inference" and not purpose.explicit:
        mistakes.add(
            (*here, "kind"),
            "inference about a person's mind, health or worth needs explicit consent; "
            "say so with `explicit: yes` (GDPR Art. 9(2)(a), 22)",
        )
    if purpose.sale and not purpose.recipients:
        mistakes.add((*here, "sale"), "`sale: yes` and no `recipients`: say who buys or gets the data")
    if "email_pixel" in purpose.technology and "email" not in purpose.channels:
        mistakes.add(
            (*here, "technology"), "`email_pixel` in a purpose that writes no e-mail; add `email` to `channels`"
        )


def _safeguard(path: Path, tree: Tree, mistakes: Mistakes) -> None:
    safeguard = attempt(Safeguard, tree.at(path))
    if safeguard and safeguard.effective and safeguard.until and safeguard.until <= safeguard.effective:
        mistakes.add((*path, "until"), "a safeguard that ends before it begins; expected `until` later than `from`")


def told_of(path: Path, tree: Tree, mistakes: Mistakes) -> None:
    """Note a purpose under a notice that is a slip of one that no notice tells of; another may have ended.

    What people were told stays what it was: a notice tells of a purpose for ever, also when the policy has it no more.
    """
    purposes, notices = tree.mapping("purposes"), tree.mapping("notices")
    purpose = str(path[-1])
    if purpose in purposes or ("purposes", purpose) in tree.withdrawn:
        return
    told = {name for notice in notices for name in tree.mapping("notices", notice, str(path[-2]))}
    if alike(purpose, [name for name in purposes if name not in told]):
        mistakes.unknown(path, "purpose", purpose, purposes)


def _says(notice: str, tree: Tree, mistakes: Mistakes) -> None:
    for purpose in tree.mapping("notices", notice, "says"):
        here = ("notices", notice, "says", purpose)
        told_of(here, tree, mistakes)
        repeated(tree, mistakes, here)


def _reveals(path: Path, tree: Tree, mistakes: Mistakes) -> None:
    """Values can only be recognised in a text that is stored as it is."""
    special = [category.id for category in categories().values() if category.special == "art9"]
    revealed = tree.mapping(*path, "reveals")
    for word in revealed:
        here = (*path, "reveals", word)
        if word in categories() and word not in special:
            mistakes.add(here, f"`{word}` is no special category; expected one of GDPR Art. 9, such as `health`")
        elif word not in special:
            mistakes.unknown(here, "special category", word, special)
        for place, value in tree.texts(*here):
            if "*" in value[:-1] or value == "*":
                mistakes.add(place, "`*` stands for any end of a value; expected it once, after the beginning")
        repeated(tree, mistakes, here)
        if tree.at(here) == []:
            mistakes.add(
                here, f"`{shown(word)}` lists no value; name the values that tell of it, such as `[gluten-free*]`"
            )
    field = attempt(DataField, tree.at(path))
    if field and revealed and field.type != "string":
        mistakes.add((*path, "reveals"), f"`reveals` names texts; this field is of the type `{field.type}`")
    if field and revealed and field.identity:
        mistakes.add((*path, "reveals"), "a field with `identity` is sealed and never read by its values; remove one")
