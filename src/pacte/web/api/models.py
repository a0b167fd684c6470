"""What calls say and what they are answered: the forms of the API. Their words are in the texts of this package.

Source: RFC 3339 for instants; GDPR Art. 4(11), 7 for what a choice says.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from pacte.app.answers import MOST as MOST_QUESTIONS
from pacte.app.batch import MOST as MOST_CHOICES
from pacte.consent import choices as said
from pacte.kernel.instant import Instant, from_datetime, to_iso

EARLIEST, LATEST = datetime.fromisoformat("1900-01-01T00:00:00Z"), datetime.fromisoformat("2200-01-01T00:00:00Z")

Person = Annotated[str, Field(min_length=1, max_length=320)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}$", max_length=100)]
Purpose = Annotated[str, Field(pattern=r"^(\*|[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99})$", max_length=100)]
Column = Annotated[str, Field(pattern=r"^[a-z0-9_]+\.[a-z0-9_]+$", max_length=128)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Language = Literal["en", "fr"]
When = Annotated[AwareDatetime, Field(ge=EARLIEST, le=LATEST)]
Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Index = Annotated[int, Field(ge=0, le=2**53)]

if TYPE_CHECKING:
    Act = str
    Method = str
    Grade = str
    Signal = str
else:  # the closed lists of the room that knows them
    Act, Method = Literal[tuple(said.ACTS)], Literal[tuple(sorted(said.METHODS))]
    Grade, Signal = Literal[tuple(said.GRADES)], Literal[tuple(sorted(said.SIGNALS))]


class Form(BaseModel):
    """What a call says: every member is known, and of its own type."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Said(BaseModel):
    """What a call is answered: later versions may add members."""

    model_config = ConfigDict(frozen=True)


def instant(moment: datetime | None) -> Instant | None:
    """An instant as the house counts it."""
    return None if moment is None else from_datetime(moment)


def shown(moment: int | None) -> str | None:
    """An instant as programs read it."""
    return None if moment is None else to_iso(moment)


class NewChoice(Form):
    """One thing that a person said."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "person": "email:ada@example.com",
                    "purpose": "newsletter",
                    "act": "withdrawn",
                    "method": "web_form",
                    "channel": "email",
                    "authenticated": True,
                }
            ]
        }
    )

    person: Person
    purpose: Purpose
    act: Act
    method: Method
    channel: Name | None = None
    recipient: Name | None = None
    grade: Grade = "none"
    voice: Literal["self", "guardian"] = "self"
    authenticated: bool = False
    effective: When | None = None
    learned: When | None = None
    notice: Name | None = None
    form: Digest | None = None
    signal: Signal | None = None
    reason: Name | None = None

    def details(self) -> dict[str, Any]:
        """As `app.choose` takes them."""
        words = ("method", "channel", "recipient", "grade", "voice", "authenticated", "notice", "form", "signal")
        found = {word: getattr(self, word) for word in (*words, "reason")}
        found |= {"effective": instant(self.effective), "learned": instant(self.learned)}
        return {word: value for word, value in found.items() if value is not None}


class NewChoices(Form):
    """Several of them, of which all are recorded or none."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "choices": [
                        {"person": "key:C0000003", "purpose": "newsletter", "act": "withdrawn", "method": "phone"},
                        {"person": "key:C0000005", "purpose": "newsletter", "act": "withdrawn", "method": "paper"},
                    ]
                }
            ]
        }
    )

    choices: Annotated[tuple[NewChoice, ...], Field(min_length=1, max_length=MOST_CHOICES)]


class RecordedChoice(Said):
    """Where a choice stands."""

    entry: Index
    size: Index
    at: Moment
    also: Index = 0


class RecordedChoices(Said):
    """Where the choices of a batch stand, in their order."""

    entries: tuple[Index, ...]
    size: Index
    at: Moment
    also: Index = 0


class WhoseChoices(Form):
    """A person whose choices are asked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "key:C0000003", "lang": "en"}]})

    person: Person
    lang: Language = "en"


class Choice(Said):
    """A recorded choice."""

    entry: Index
    purpose: str
    act: str
    at: Moment
    effective: Moment | None = None
    expires: Moment | None = None
    channel: str | None = None
    recipient: str | None = None
    method: str
    grade: str
    notice: str | None = None


class StandingOf(Said):
    """How one purpose stands for a person, by one channel and for one recipient where these are chosen apart."""

    purpose: str
    basis: str
    channel: str | None = None
    recipient: str | None = None
    allowed: bool
    permitted: bool
    reason: str
    entry: Index | None = None


class Choices(Said):
    """What a person said, oldest first, and what holds now."""

    choices: tuple[Choice, ...]
    standing: tuple[StandingOf, ...]


class Question(Form):
    """May these fields of this person be used for this purpose?"""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"person": "key:C0000003", "purpose": "newsletter", "channel": "email"}]}
    )

    person: Person
    purpose: Name
    fields: Annotated[tuple[Column, ...], Field(max_length=100)] = ()
    channel: Name | None = None
    recipient: Name | None = None
    as_of: When | None = None
    known_at: Index | None = None
    lang: Language = "en"


class Questions(Form):
    """Several of them, answered from one snapshot of the records."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "questions": [
                        {"person": "key:C0000003", "purpose": "newsletter", "channel": "email"},
                        {"person": "key:C0000005", "purpose": "order_service"},
                    ]
                }
            ]
        }
    )

    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]


class Reason(Said):
    """Why."""

    code: str
    words: str
    requirement: str | None = None
    article: str | None = None
    source: str | None = None
    since: str | None = None
    pack: str | None = None
    checked: bool = False


class CitedChoice(Said):
    """The choice that a decision stands on."""

    entry: int
    status: str
    since: Moment
    grade: int
    notice: str | None = None
    expires: Moment | None = None


class ObligationOf(Said):
    """What whoever acts on a yes must do."""

    code: Literal["declare_use", "ask_again", "offer_withdrawal", "offer_objection"]
    before: Moment | None = None


class Decision(Said):
    """The answer. It releases nothing."""

    permitted: bool
    reason: Reason
    fields: dict[str, str]
    failing: tuple[str, ...]
    cited: CitedChoice | None = None
    obligations: tuple[ObligationOf, ...]
    as_of: Moment
    known_at: Index
    rules: str
    explanation: str
    declared: bool = True
    meant: str | None = None


class Problem(Said):
    """A problem, as RFC 9457 has it."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"type": "/api/problems/scope", "title": "the key does not allow this", "status": 403}]
        }
    )

    type: Annotated[str, Field(json_schema_extra={"format": "uri-reference"})]
    title: str
    status: Annotated[int, Field(ge=400, le=599)]
    detail: str | None = None
    reason: str | None = None
    errors: tuple[dict[str, str], ...] | None = None
    decision: Decision | None = None


class OneAnswer(Said):
    """The answer to one question of several: a decision, or why there is none."""

    decision: Decision | None = None
    problem: Problem | None = None


class Decisions(Said):
    """The answers, in the order of the questions."""

    decisions: tuple[OneAnswer, ...]


class NewUse(Form):
    """A use of one person's data, to be recorded and opened."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"person": "key:C0000003", "purpose": "order_service", "fields": ["customers.email"]}]
        }
    )

    person: Person
    purpose: Name
    fields: Annotated[tuple[Column, ...], Field(max_length=100)] = ()
    channel: Name | None = None
    recipient: Name | None = None


class RecordedUse(Said):
    """A use that is recorded, and what it opened."""

    use: str
    entry: Index
    purpose: str
    fields: tuple[str, ...]
    expires: Moment
    values: dict[str, str | int | float | bool | None]


class ShadowReport(Form):
    """What another system did, or decided to do, about one person now."""

    person: Person
    purpose: Name
    fields: Annotated[tuple[Column, ...], Field(max_length=100)] = ()
    channel: Name | None = None
    recipient: Name | None = None
    did: bool


class ShadowReports(Form):
    """Several of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"reports": [{"person": "key:C0000003", "purpose": "newsletter", "channel": "email", "did": True}]}
            ]
        }
    )

    reports: Annotated[tuple[ShadowReport, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]


class ShadowAnswer(Said):
    """What the gate would have said."""

    permitted: bool | None = None
    reason: str | None = None
    agrees: bool | None = None
    problem: Problem | None = None


class ShadowAnswers(Said):
    """The answers, in the order of the reports."""

    answers: tuple[ShadowAnswer, ...]


Day = Annotated[str, Field(pattern=r"^(19|20|21)\d\d-\d\d-\d\d$", json_schema_extra={"format": "date"})]


class Days(Form):
    """The days of a report."""

    model_config = ConfigDict(strict=False)

    first: Day | SkipJsonSchema[None] = None
    last: Day | SkipJsonSchema[None] = None


class AgreementOf(Said):
    """One purpose on one day."""

    day: str
    purpose: str | None = None
    agreed: Index | None = None
    done_though_denied: Index | None = None
    left_though_permitted: Index | None = None
    reasons: dict[str, int]


class ShadowSummary(Said):
    """How often another system and the gate agreed."""

    days: tuple[AgreementOf, ...]


class WhichReceipt(Form):
    """The choice that a receipt is asked of."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"person": "key:C0000003", "purpose": "newsletter"}]})

    person: Person
    purpose: Purpose | None = None
    entry: Index | None = None
    lang: Language = "en"


class ReceiptFile(Said):
    """A receipt, as the person keeps it; see the form of receipts."""

    model_config = ConfigDict(extra="allow")


class Checkpoint(Said):
    """How many entries the ledger holds, under which signed checkpoint."""

    origin: str
    size: Index
    at: Moment
    checkpoint: str
    vkey: str


class KeyFacts(Said):
    """What the key of this call may do."""

    key: str
    label: str
    scopes: tuple[str, ...]
    purposes: tuple[str, ...]
    rate: int
    expires: Moment | None = None


class ReceiverOf(Said):
    """One receiver of messages, and how it fares."""

    name: str
    events: tuple[str, ...]
    purposes: tuple[str, ...]
    signature: str
    waiting: Index
    dead: Index
    failures: Index
    last_answer: Moment | None = None
    last_failure: Moment | None = None
    error: str | None = None


class Receivers(Said):
    """Every receiver that the settings declare."""

    webhooks: tuple[ReceiverOf, ...]


class DeadMessage(Said):
    """A message that nobody took."""

    webhook: str
    entry: Index
    id: str
    error: str
    since: Moment


class DeadMessages(Said):
    """The dead messages, oldest first."""

    dead: tuple[DeadMessage, ...]


class Resend(Form):
    """Which dead messages to send again: of one receiver or all, some or all of them."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"webhook": "crm"}]})

    webhook: Name | None = None
    entries: Annotated[tuple[Index, ...], Field(max_length=1000)] = ()


class Resent(Said):
    """How many messages go out again."""

    resent: Index


class WhosePseudonyms(Form):
    """People whom a receiver knows already, and the receiver."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"webhook": "crm", "people": ["key:C0000003"]}]})

    webhook: Name
    people: Annotated[tuple[Person, ...], Field(min_length=1, max_length=MOST_QUESTIONS)]


class Pseudonyms(Said):
    """Under which name the receiver hears of each, in their order; `null` for whom the house does not know."""

    pseudonyms: tuple[str | None, ...]


class HeardReport(Said):
    """What a report of a mail server led to, in people."""

    suppressed: Index
    soft: Index
    ended: Index
    unmatched: Index


class Reply(Form):
    """What somebody answered to a text message: their number, and their words."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"from": "+33639981234", "text": "STOP"}]})

    sender: Annotated[str, Field(alias="from", pattern=r"^\+?[0-9 ()./-]{4,32}$", max_length=33)]
    text: Annotated[str, Field(max_length=2_000)]


class HeardReply(Said):
    """Whether an answer was one that ends text messages."""

    ends: bool


class WhichList(Form):
    """The list that is meant, by its identifier."""

    list: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class ListWithdrawn(Said):
    """Whom the holder of a list must drop, as the references of that list."""

    list: str
    until: Moment
    over: bool
    withdrawn: tuple[str, ...]
