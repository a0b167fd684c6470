"""The policy file as values: what each key may hold. Whether names refer to something is checked in `checks`.

Texts come in as texts (see `tree`); each type here says how it is read. Pydantic's errors never show an input.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from hashlib import sha256
from typing import Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    PrivateAttr,
    model_validator,
)

from pacte.kernel.errors import BadInput, NotFound
from pacte.kernel.instant import Instant, parse_instant
from pacte.policy.durations import Duration, parse_duration
from pacte.policy.vocabulary import STANDING
from pacte.policy.weeks import DAYS, Span, parse_span

T = TypeVar("T")


def _read(reader: Callable[[str], T]) -> Callable[[Any], T]:
    def read(value: Any) -> T:
        if not isinstance(value, str):
            raise ValueError("expected one value")
        try:
            return reader(value)
        except BadInput as error:
            raise ValueError(str(error)) from None

    return read


def form(pattern: str, expected: str) -> AfterValidator:
    """A check that a text has this form; `expected` says it in words."""

    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise ValueError(f"expected {expected}")
        return value

    return AfterValidator(check)


def _yes_no(value: str) -> bool:
    if value not in ("yes", "no", "true", "false"):
        raise BadInput("expected `yes` or `no`")
    return value in ("yes", "true")


Text = Annotated[str, form(r"(?s).*\S.*", "a text, not nothing")]
Name = Annotated[str, form(r"[a-z][a-z0-9_]{0,47}", "a name of small letters, digits and `_`, such as `order_service`")]
NoticeName = Annotated[str, form(r"[a-z0-9][a-z0-9_.-]{0,47}", "a name such as `web-2024`")]
FieldPath = Annotated[str, form(r"[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*", "`dataset.field`")]
Place = Annotated[str, form(r"[A-Z]{2}(-[A-Z0-9]{1,3})?", "a country or region code such as `FR` or `CA-QC`")]
Locale = Annotated[str, form(r"[a-z]{2}(-[A-Z]{2})?", "a language code such as `fr` or `fr-CA`")]
YesNo = Annotated[bool, PlainValidator(_read(_yes_no))]
Length = Annotated[Duration, PlainValidator(_read(parse_duration))]
Moment = Annotated[Instant, PlainValidator(_read(parse_instant))]
Days = Annotated[str, form("({0})(-({0}))?".format("|".join(DAYS)), "a day or days such as `mon` or `mon-fri`")]
Hours = Annotated[Span, PlainValidator(_read(parse_span))]
Statement = Literal[
    "objection",
    "sale",
    "limit",
    "technology",
    "automated_decision",
    "financial_incentive",
    "transfer",
    "information",
    "discloser",
    "recipient",
    "purpose",
    "expiry",
    "signature",
    "revocation",
    "conditioning",
    "redisclosure",
    "remuneration",
]
"""What a notice says of a purpose (`vocabulary.STATEMENTS`), or holds as an authorisation (`vocabulary.ELEMENTS`)."""
Channel = Literal["email", "sms", "phone", "post", "push", "messaging", "web", "app"]
"""By what people may be reached."""
Reached = Literal["email", "sms", "phone", "post", "push", "messaging"]
"""By what people are reached who do not come by themselves."""
Localised = dict[str, Text]
"""One text per language."""
EVERY = ""
"""The language of a text that is the same in each."""
Said = Annotated[Localised, BeforeValidator(lambda value: {EVERY: value} if isinstance(value, str) else value)]
"""One text per language, or one that is the same in each."""


class Part(BaseModel):
    """A part of the policy: frozen, unknown keys refused, inputs never shown."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Officer(Part):
    """The data protection officer. Source: GDPR Art. 37(7), 13(1)(b)."""

    contact: Text
    name: Text | None = None


class Controller(Part):
    """Who answers for the data; a processor says on whose behalf, a joint controller with whom.

    Source: GDPR Art. 4(7)-(8), 26, 28.
    """

    name: Text
    role: Literal["controller", "joint_controller", "processor"]
    contact: Text
    dpo: Officer
    established: Place | None = None
    representative: Text | None = None
    regulated_as: tuple[Literal["covered_entity", "business_associate", "public_body", "online_platform"], ...] = ()
    behalf: Text | None = None
    jointly: Text | None = None
    postal: Text | None = None

    @property
    def standing(self) -> dict[str, str]:
        """In what capacity the company acts, as every ledger entry says it: `role`, and `behalf` or `jointly`."""
        return {key: value for key in STANDING if (value := getattr(self, key)) is not None}


class Suppression(Part):
    """How long the list of people not to be written to remembers them."""

    keep: Length


class Segments(Part):
    """How few people may be shown as a number, and to what numbers of people are rounded.

    Source: Article 29 WP, Opinion 05/2014 (singling out, linkability, inference); CNIL, « Anonymisation ».
    """

    smallest: Annotated[int, Field(ge=10, le=100_000)] = 50
    rounded: Annotated[int, Field(ge=10, le=10_000)] = 10


class Evidence(Part):
    """How long sealed evidence outlives erasure, and why. Source: GDPR Art. 17(3)(e)."""

    keep: Length
    event: Literal["last_use", "erasure"] = Field(alias="from")
    reason: Localised
    shred_with_data: YesNo = False


class Cap(Part):
    """How many offers reach somebody within a length of time: by one channel, or by all of them together."""

    at_most: Annotated[int, Field(ge=1, le=366)]
    within: Length
    channel: Reached | None = None


class Open(Part):
    """When offers reach people by a channel, by the time of the place where they live."""

    open: dict[Days, tuple[Hours, ...]]
    holidays: YesNo = False


class Contact(Part):
    """How often and when people hear of us, stricter than the laws say. Service messages are not counted."""

    caps: tuple[Cap, ...] = ()
    hours: dict[Reached, Open] = {}


class Notice(Part):
    """A text that people were shown, and what it tells: purpose → categories or families of categories."""

    locale: Locale
    version: Text
    effective: Moment
    text: Text
    tells: dict[str, tuple[str, ...]]
    says: dict[str, tuple[Statement, ...]] = {}

    @property
    def digest(self) -> str:
        """SHA-256 of the text's UTF-8 bytes: the notice's name in the ledger."""
        return sha256(self.text.encode()).hexdigest()


class Ages(Part):
    """The age rule of a purpose, in years; `below: guardian` lets younger people in with a parent's agreement."""

    minimum: Annotated[int, Field(ge=1, le=18)]
    below: Literal["guardian"] | None = None
    unknown: Literal["adult"] | None = None


class Retention(Part):
    """How long data are kept for a purpose, from which event on."""

    keep: Length
    event: Literal["last_contact", "collection", "last_order", "contract_end", "choice"] = Field(alias="from")


class Balancing(Part):
    """The balancing test behind a legitimate interest: where it is filed, and since when. Source: GDPR Art. 6(1)(f)."""

    reference: Said
    effective: Moment = Field(alias="on")


class Disclosure(Part):
    """How much a person is shown of the uses of their data for a purpose, and why it is not all of it.

    `summary` shows how many uses each month had, `deferred` each use after a `delay`.
    Source: GDPR Art. 15(1), 15(4), 23; CJEU C-579/21.
    """

    level: Literal["full", "summary", "deferred"]
    delay: Length | None = None
    reason: Localised | None = None
    source: Text | None = None


class Purpose(Part):
    """One thing that data are used for. Source: GDPR Art. 5(1)(b), 6, 13(1)(c), 30(1)."""

    title: Localised
    reason: Localised
    in_return: Localised | None = None
    decision: Localised | None = None
    worth: Localised | None = None
    basis: Literal["consent", "contract", "legal_obligation", "vital_interests", "public_task", "legitimate_interests"]
    ground: Said | None = None
    balancing: Balancing | None = None
    kind: Literal[
        "service",
        "direct_marketing",
        "measurement",
        "personalisation",
        "profiling",
        "sharing",
        "model_training",
        "security",
        "legal_claims",
        "inference",
    ]
    exceptions: dict[str, Text] = {}
    technology: tuple[Literal["identification", "location", "profiling", "tracker", "email_pixel"], ...] = ()
    sector: Literal["home_energy_works", "home_adaptation_works", "training_account"] | None = None
    automated_decision: YesNo = False
    sale: YesNo = False
    financial_incentive: YesNo = False
    public: tuple[Literal["consumer", "prospect", "former", "professional"], ...] = ()
    ages: Ages | None = None
    uses: tuple[FieldPath, ...]
    exact: tuple[FieldPath, ...] = ()
    explicit: YesNo = False
    channels: tuple[Channel, ...] = ()
    recipients: tuple[str, ...] = ()
    by_recipient: YesNo = False
    asked_by: tuple[NoticeName, ...] = ()
    minimum_grade: Literal["none", "attested", "paper", "form", "double_opt_in"] | None = None
    expires_after: Length | None = None
    honours: tuple[Literal["gpc"], ...] = ()
    retention: Retention
    processing_domain: Name | None = None
    disclosure: Disclosure | None = None


class Level(Part):
    """One step of personalisation: with it and those before it, this purpose is what the person agreed to."""

    purpose: Name
    title: Localised


class Safeguard(Part):
    """What protects data at a recipient elsewhere, since when and until when; a plain text is undated and `other`.

    `assessed` is when the transfer itself was assessed. Source: GDPR Art. 44 to 49; Québec P-39.1 s. 17.
    """

    under: Literal["adequacy", "scc", "bcr", "code_of_conduct", "certification", "other"] = "other"
    reference: Text
    effective: Moment | None = Field(default=None, alias="from")
    until: Moment | None = None
    assessed: Moment | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return {"reference": value} if isinstance(value, str) else value


class Recipient(Part):
    """Somebody else who receives data; `place` is where. Source: GDPR Art. 4(9), 13(1)(e)-(f), 28, 44 to 49."""

    name: Text
    role: Literal["processor", "controller"]
    place: Place
    safeguard: Safeguard | None = None
    contract: Text | None = None


class Coarse(Part):
    """How a value is rounded on release: to a unit of time, to a multiple of `step`, or to its first characters."""

    unit: Literal["month", "quarter", "year"] | None = None
    step: Annotated[int, Field(ge=1)] | None = None
    prefix: Annotated[int, Field(ge=1)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_one_word(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        return {"step": value} if value.isdecimal() else {"unit": value}


class DataField(Part):
    """One column: what kind of personal data it is, its type, whether it says who the person is, how it is rounded.

    `reveals`: which of its values tell something of a special category, `*` at the end standing for any end.
    Source: CJEU C-184/20.
    """

    title: Localised | None = None
    category: str
    type: Literal["string", "integer", "decimal", "date", "instant", "boolean"]
    identity: Literal["key", "email", "phone", "name", "address", "birth_date", "other"] | None = None
    group: Name | None = None
    coarse: Coarse | None = None
    reveals: dict[str, tuple[Text, ...]] = {}

    @property
    def rounding(self) -> Coarse | None:
        """The declared rounding; a date or an instant without one is released by the month."""
        return self.coarse or (Coarse(unit="month") if self.type in ("date", "instant") else None)


class Aggregate(Part):
    """One figure per person, computed over the rows of an event dataset."""

    take: Literal["count", "sum", "min", "max"]
    field: str | None = None
    category: str | None = None
    coarse: Coarse | None = None


class Dataset(Part):
    """A table of personal data: one row per person, or one per event with the path to the person."""

    title: Localised | None = None
    per: Literal["person", "event"]
    person: Name
    references: FieldPath | None = None
    key: tuple[Name, ...]
    fields: dict[Name, DataField]
    aggregates: dict[Name, Aggregate] = {}

    def category_of(self, name: str) -> str:
        """The category of a field or an aggregate; a count without one is of its dataset's first key."""
        if name in self.fields:
            return self.fields[name].category
        aggregate = self.aggregates[name]
        source = aggregate.field or next((key for key in self.key if key in self.fields), "")
        return aggregate.category or self.fields[source].category


class Benefit(Part):
    """What a form offers for a yes, and why the yes is still free. Source: GDPR Art. 7(4), recital 43.

    The answers may be missing here so that `form_checks` can ask for each of them with the article.
    """

    purpose: Name
    what: Localised
    necessary: YesNo | None = None
    because: Localised | None = None
    otherwise: Localised | None = None
    lost: Localised | None = None


class Form(Part):
    """A form that asks for consent: what it shows, and a box for each purpose and channel, never ticked beforehand.

    `asks` are identities, each with its label; `over`, `places` and `capacity` are facts that rules need of somebody
    who was not known before. Source: GDPR Art. 4(11), 7; CJEU C-673/17.
    """

    title: Localised
    text: Localised | None = None
    notices: tuple[NoticeName, ...] = ()
    purposes: dict[Name, tuple[Channel, ...]]
    asks: dict[FieldPath, Localised]
    over: Annotated[int, Field(ge=13, le=18)] | None = None
    places: tuple[Place, ...] = ()
    capacity: Literal["consumer", "prospect", "professional"] | None = None
    benefit: Benefit | None = None


class PolicyFile(Part):
    """The whole policy, with what it extends; `line` and `place` say where something was declared.

    `without` withdraws parts of the extended policy by their path, such as `purposes.newsletter`.
    """

    pacte: Literal["1"]
    controller: Controller
    extends: Text | None = None
    open_to: tuple[Literal["purposes", "recipients", "datasets"], ...] = ()
    without: tuple[Text, ...] = ()
    laws: tuple[str, ...] = ("gdpr", "fr")
    offered_to: Literal["adults", "everyone", "children"] = "everyone"
    languages: tuple[str, ...] = ("fr", "en")
    sources: Localised | None = None
    suppression: Suppression
    evidence: Evidence
    segments: Segments = Segments()
    contact: Contact = Contact()
    recipients: dict[Name, Recipient] = {}
    purposes: dict[Name, Purpose]
    notices: dict[NoticeName, Notice] = {}
    personalisation: tuple[Level, ...] = ()
    forms: dict[Name, Form] = {}
    datasets: dict[Name, Dataset]

    _digest: str = PrivateAttr("")
    _name: str = PrivateAttr("policy.yaml")
    _lines: Mapping[tuple[str | int, ...], int] = PrivateAttr(default_factory=dict)
    _origins: Mapping[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)
    _files: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _bundle: str = PrivateAttr("")

    @property
    def digest(self) -> str:
        """SHA-256 of the bytes of `bundle`, in hexadecimal: the policy's name in the ledger."""
        return self._digest

    @property
    def bundle(self) -> str:
        """All files that this policy was read from as one text; where it was one file, that file's own text."""
        return self._bundle

    def file(self, name: str) -> str:
        """The text of a file that this policy names, such as a pack of its own, as it was when the policy was read.

        Raises `NotFound` for any other: nothing is read later, from anywhere.
        """
        if name not in self._files:
            raise NotFound("a file that this policy does not name under `extends` or `laws`")
        return self._files[name]

    def line(self, *path: str | int) -> int:
        """The line where a path was declared, such as `("purposes", "newsletter")`; 1 when it was not."""
        return self._lines.get(path, 1)

    def place(self, *path: str | int) -> tuple[str, int]:
        """The file and the line where a path was declared: a part of a base stands in the base's file."""
        return self._origins.get(path, self._name), self.line(*path)
