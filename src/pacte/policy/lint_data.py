"""Findings about fields: collected for nothing, personal by their name, free text, values that tell too much."""

from __future__ import annotations

from collections.abc import Iterator

from pacte.policy.categories import categories
from pacte.policy.compile import Compiled
from pacte.policy.findings import Finding, found
from pacte.policy.model import DataField, Dataset, PolicyFile


def _split(words: str) -> list[str]:
    return words.split()


# What columns are called in French and English → the category they likely hold, and others that are as true.
_NAMES: dict[str, tuple[str, ...]] = {
    "mail email courriel mel": ("email_address", "email_address_work", "contact", "email_content"),
    "tel phone telephone mobile portable gsm fax": ("telephone_number", "contact"),
    "nom prenom name firstname lastname surname forename fullname patronyme": ("name", "identifying", "username"),
    "birth birthday birthdate naissance dob anniversaire": (
        "birth_date",
        "age",
        "age_exact",
        "age_range",
        "birth_place",
    ),
    "age": ("age", "age_exact", "age_range"),
    "adresse address street rue": ("physical_address", "street", "house_number", "contact"),
    "iban bic rib": ("bank_account", "financial_account"),
    "pan cvv": ("payment_card", "financial_account"),
    "ssn nir passport passeport siret insee": ("official_id",),
    "ip": ("ip_address",),
    "gps lat latitude lon lng longitude": ("gps_coordinate", "location", "travel_history"),
    "gender sexe sex civilite salutation": ("gender",),
    "login username pseudo": ("username", "identifier"),
    "health sante allergy allergie diagnosis diagnostic symptom": ("health", "disability", "prescription"),
    "religion belief croyance": ("religious_belief", "philosophical_belief"),
    "nationality nationalite": ("nationality",),
}
# Words beside which those above speak of a thing, not of a person: a product's name, a shop's address.
_OF_THINGS = frozenset(
    _split(
        "product produit item article shop store magasin brand marque campaign campagne file fichier event city "
        "ville host server category categorie country pays color couleur company societe plan offer offre sent "
        "opened count nombre page min max type opt"
    )
)
_FREE_TEXT = frozenset(
    _split(
        "comment comments commentaire commentaires note notes message messages remark remarks remarque remarques "
        "feedback texte text libre memo avis review"
    )
)
_TELLING = frozenset(
    _split(
        "product produit item article sku search recherche query requete keyword title titre film book livre dish "
        "plat menu page url"
    )
)


def lint_data(compiled: Compiled) -> Iterator[Finding]:
    """Every finding about a field."""
    document = compiled.document
    used = _used(document)
    for dataset_name, dataset in document.datasets.items():
        for name, field in dataset.fields.items():
            path, here = f"{dataset_name}.{name}", ("datasets", dataset_name, "fields", name)
            if path not in used and not serves(name, field, dataset):
                yield found(document, "unused_field", here, field=path)
            yield from _by_name(path, name, field, document)
            if dataset.per == "event" and field.type == "string" and not field.identity and not field.reveals:
                yield from _anything(path, name, compiled)


def _used(document: PolicyFile) -> set[str]:
    """Fields that a purpose uses, by themselves or through an aggregate."""
    uses = {path for purpose in document.purposes.values() for path in purpose.uses}
    return uses | {source for path in uses if (source := source_of(path, document))}


def source_of(path: str, document: PolicyFile) -> str | None:
    """The field that an aggregate is computed from; None for a field."""
    dataset, _, name = path.partition(".")
    aggregate = document.datasets[dataset].aggregates.get(name)
    if aggregate is None:
        return None
    declared = document.datasets[dataset]
    return f"{dataset}.{aggregate.field or next((key for key in declared.key if key in declared.fields), '')}"


def serves(name: str, field: DataField, dataset: Dataset) -> str:
    """Why the house needs a field that no purpose names, as a code; empty where it does not.

    `row`: it tells rows apart; `person`: it says whose they are; `minors`: a birth date tells minors; `residence`: it
    tells which law applies.
    """
    if name == dataset.person or field.identity == "key":
        return "person"
    if name in dataset.key:
        return "row"
    if field.identity == "birth_date":
        return "minors"
    return "residence" if field.category in ("residency", "country", "region") else ""


def _by_name(path: str, name: str, field: DataField, document: PolicyFile) -> Iterator[Finding]:
    words = name.split("_")
    if field.identity or set(words) & _OF_THINGS or field.type == "boolean":
        return
    fitting = [likely for names, likely in _NAMES.items() if set(words) & set(names.split())]
    known = categories()
    if not fitting or known[field.category].special or any(field.category in likely for likely in fitting):
        return
    likely = fitting[0][0]
    yield found(
        document,
        "looks_personal",
        ("datasets", path.partition(".")[0], "fields", name),
        field=path,
        category=likely,
        likely={"en": known[likely].en, "fr": known[likely].fr},
        declared={"en": known[field.category].en, "fr": known[field.category].fr},
    )


def _anything(path: str, name: str, compiled: Compiled) -> Iterator[Finding]:
    """A text of an event that may hold more than its category says."""
    document = compiled.document
    here, words = ("datasets", path.partition(".")[0], "fields", name), set(name.split("_"))
    blind = [
        purpose
        for purpose, declared in document.purposes.items()
        if path in declared.uses and not compiled.table.purposes[purpose].art9
    ]
    if words & _FREE_TEXT:
        yield found(document, "free_text", here, field=path)
    elif words & _TELLING and blind:
        listed = ", ".join(f"`{purpose}`" for purpose in blind)
        yield found(document, "values_may_reveal", here, field=path, purposes=listed)
