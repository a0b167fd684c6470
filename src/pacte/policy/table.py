"""The rule table: what a policy and its law packs mean, frozen and known by the digest of its canonical bytes.

Both readers of the rules (`rules` for one person, `sql` for a population) and every later replay read this value and
nothing else. It is stored as JSON; what is absent is not written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import cast

from pacte.kernel.canonical import Json, digest
from pacte.policy import conditions
from pacte.policy.conditions import Before, Condition, NotBefore
from pacte.policy.contact import ContactRules, read_contact
from pacte.policy.durations import Duration
from pacte.policy.vocabulary import BASES, GRADES, KINDS, REASONS, RuleError

DECIDER = "pacte-decider/2"
"""The version of the evaluation in `rules` and `sql`; a change in what a rule means changes it."""


_FIRST = "pacte-decider/1"
"""The decider that wrote each rule's source beside it in every purpose."""


@dataclass(frozen=True, slots=True)
class Requirement:
    """One rule of a purpose: where it applies and `when` does not hold, the answer is no, for the reason `otherwise`.

    It does not apply to whom `exempt` holds for, nor before `starts`, nor from `ends` on. `says` is the rule in a
    sentence, by language.
    """

    id: str
    when: Condition
    otherwise: str
    article: str
    source: str
    since: str
    pack: str
    checked: int = 0
    exempt: Condition | None = None
    starts: int | None = None
    ends: int | None = None
    says: Mapping[str, str] = field(default_factory=dict)
    short: Mapping[str, str] = field(default_factory=dict)
    """The name by which its source is cited, by language; empty where the source has no other name."""

    condition: Condition = field(init=False, repr=False, compare=False)
    """What must hold of everybody at every moment: the rule, or that it does not apply."""

    def __post_init__(self) -> None:
        outside: list[Condition] = []
        if self.starts is not None:
            outside.append(Before(self.starts))
        if self.ends is not None:
            outside.append(NotBefore(self.ends))
        if self.exempt is not None:
            outside.append(self.exempt)
        object.__setattr__(self, "condition", conditions.either([*outside, self.when]))  # frozen, and asked often

    def to_json(self) -> dict[str, Json]:
        """The stored form within a purpose; `otherwise` is written `else`. What the rule is, `about` says."""
        parts: dict[str, Json] = {"id": self.id, "when": conditions.to_json(self.when), "else": self.otherwise}
        if self.exempt is not None:
            parts["exempt"] = conditions.to_json(self.exempt)
        bounds = {"starts": self.starts, "ends": self.ends}
        return parts | {name: value for name, value in bounds.items() if value is not None}

    def about(self) -> dict[str, Json]:
        """Where the rule comes from and what it says: the same for every purpose."""
        about: dict[str, Json] = {
            "article": self.article,
            "source": self.source,
            "since": self.since,
            "pack": self.pack,
            "checked": self.checked,
        }
        texts: dict[str, Json] = {name: dict(getattr(self, name)) for name in ("says", "short") if getattr(self, name)}
        return about | texts


@dataclass(frozen=True, slots=True)
class PurposeRules:
    """Everything the gate needs to know of one purpose; requirements are in the order of their reasons."""

    basis: str
    kind: str
    title: Mapping[str, str]
    requirements: tuple[Requirement, ...]
    categories: tuple[str, ...]
    fields: tuple[str, ...]
    exact: tuple[str, ...]
    channels: tuple[str, ...]
    recipients: tuple[str, ...]
    by_recipient: bool
    public: tuple[str, ...]
    honours: tuple[str, ...]
    min_grade: str
    expires_after: Duration | None
    keep: Duration | None
    keep_from: str
    domain: str
    ground: str
    art9: bool = False
    """Whether it may see values that reveal something of a special category (GDPR Art. 9)."""
    kept: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What its readers worked out of it, to do so once. It goes with these rules, which never change."""

    def to_json(self) -> dict[str, Json]:
        """The stored form; empty and absent parts are not written."""
        ends: dict[str, Json] = {}
        if self.expires_after:
            ends["expires_after"] = self.expires_after.to_json()
        if self.keep:
            ends["retention"] = {**self.keep.to_json(), "event": self.keep_from}
        if self.ground:
            ends["ground"] = self.ground
        lists: dict[str, Json] = {name: list(getattr(self, name)) for name in _LISTS if getattr(self, name)}
        return {
            "basis": self.basis,
            "kind": self.kind,
            "title": dict(self.title),
            "requirements": [requirement.to_json() for requirement in self.requirements],
            **({"art9": 1} if self.art9 else {}),
            "by_recipient": int(self.by_recipient),
            "min_grade": self.min_grade,
            "domain": self.domain,
            **lists,
            **ends,
        }


@dataclass(frozen=True, slots=True)
class NoticeRules:
    """What one notice tells: purpose → every category covered, families opened up."""

    locale: str
    version: str
    purposes: Mapping[str, tuple[str, ...]]
    says: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What else it says of a purpose, in words of `vocabulary.STATEMENTS`."""

    def to_json(self) -> dict[str, Json]:
        """The stored form."""
        told: dict[str, Json] = {purpose: list(names) for purpose, names in self.purposes.items()}
        said: dict[str, Json] = {purpose: list(names) for purpose, names in self.says.items()}
        return {"locale": self.locale, "version": self.version, "purposes": told, **({"says": said} if said else {})}


@dataclass(frozen=True, slots=True)
class RuleTable:
    """The compiled policy. `notices` is keyed by the digest of the text; `datasets` is as the policy declares them."""

    controller: Mapping[str, Json]
    purposes: Mapping[str, PurposeRules]
    notices: Mapping[str, NoticeRules]
    datasets: Mapping[str, Json]
    recipients: Mapping[str, Json]
    laws: tuple[str, ...] = ()
    decider: str = DECIDER
    grades: tuple[str, ...] = GRADES
    contact: ContactRules | None = None
    """When and how often people are reached; `None` where the policy and its laws say nothing of it."""
    kept: dict[str, object] = field(default_factory=dict, init=False, repr=False, compare=False)
    """What its readers worked out of it, to do so once. It goes with this table, which never changes."""

    def to_json(self) -> dict[str, Json]:
        """The stored form, whose canonical bytes are what `digest` is of."""
        purposes: dict[str, Json] = {name: rules.to_json() for name, rules in self.purposes.items()}
        about = {rule.id: rule.about() for rules in self.purposes.values() for rule in rules.requirements}
        later: dict[str, Json] = {"rules": cast("Json", about), "laws": list(self.laws)}
        if self.decider == _FIRST:
            later = {}
            for name, rules in self.purposes.items():
                inline: list[Json] = [{**rule.to_json(), **rule.about()} for rule in rules.requirements]
                purposes[name] = {**rules.to_json(), "requirements": inline}
        if self.contact is not None:
            later["contact"] = self.contact.to_json()
        return {
            "v": 1,
            "decider": self.decider,
            "controller": dict(self.controller),
            "purposes": purposes,
            **later,
            "notices": {name: notice.to_json() for name, notice in self.notices.items()},
            "datasets": dict(self.datasets),
            "recipients": dict(self.recipients),
            "grades": list(self.grades),
        }

    @property
    def digest(self) -> str:
        """SHA-256 of the canonical table, in hexadecimal: the name under which entries cite it."""
        if "digest" not in self.kept:
            self.kept["digest"] = digest(self.to_json())
        return str(self.kept["digest"])

    @staticmethod
    def from_json(value: Json) -> RuleTable:
        """Read a stored table, by the reader of its decider's version; raises `RuleError` where there is none.

        Whatever was stored once stays readable and decides what it decided then.
        """
        try:
            stored = _object(value)
            reader = _READERS.get(str(stored["decider"]))
            if stored["v"] != 1 or reader is None:
                raise RuleError("a rule table of a decider that this version of pacte does not know; a later one does")
            return reader(stored)
        except (KeyError, TypeError, ValueError, AttributeError):
            raise RuleError("a rule table that cannot be read; it was not written by this version of pacte") from None


_LISTS = ("categories", "fields", "exact", "channels", "recipients", "public", "honours")


_GRADES_1 = ("none", "attested", "paper", "form", "double_opt_in")
"""The grades of decider 1, weakest first. A grade added later belongs to a later decider."""


def _decider_1(value: dict[str, Json]) -> RuleTable:
    grades = _strings(value["grades"])
    if grades != _GRADES_1:
        raise RuleError("a rule table with grades of proof that its decider never had")
    return RuleTable(
        controller=_object(value["controller"]),
        purposes={name: _purpose(_object(rules), {}) for name, rules in _object(value["purposes"]).items()},
        notices={name: _notice(_object(notice)) for name, notice in _object(value["notices"]).items()},
        datasets=_object(value["datasets"]),
        recipients=_object(value["recipients"]),
        decider=str(value["decider"]),
        grades=grades,
    )


def _decider_2(value: dict[str, Json]) -> RuleTable:
    about = {name: _object(rule) for name, rule in _object(value["rules"]).items()}
    table = _decider_1({**value, "purposes": {}})
    return replace(
        table,
        purposes={name: _purpose(_object(rules), about) for name, rules in _object(value["purposes"]).items()},
        laws=_strings(value["laws"]),
        contact=read_contact(value["contact"]) if "contact" in value else None,
    )


def _purpose(value: dict[str, Json], about: Mapping[str, dict[str, Json]]) -> PurposeRules:
    retention = _object(value.get("retention", {}))
    basis, kind, grade = str(value["basis"]), str(value["kind"]), str(value["min_grade"])
    if basis not in BASES or kind not in KINDS or grade not in GRADES:
        raise RuleError("an unknown legal basis, kind of use or grade of proof in a rule table")
    return PurposeRules(
        basis=basis,
        kind=kind,
        title=cast("dict[str, str]", _object(value["title"])),
        requirements=tuple(_requirement(_object(item), about) for item in _items(value["requirements"])),
        art9=bool(value.get("art9", 0)),
        by_recipient=bool(value["by_recipient"]),
        min_grade=grade,
        expires_after=_duration(_object(value["expires_after"])) if "expires_after" in value else None,
        keep=_duration(retention) if retention else None,
        keep_from=str(retention.get("event", "")),
        domain=str(value["domain"]),
        ground=str(value.get("ground", "")),
        categories=_strings(value.get("categories", [])),
        fields=_strings(value.get("fields", [])),
        exact=_strings(value.get("exact", [])),
        channels=_strings(value.get("channels", [])),
        recipients=_strings(value.get("recipients", [])),
        public=_strings(value.get("public", [])),
        honours=_strings(value.get("honours", [])),
    )


def _requirement(stored: dict[str, Json], about: Mapping[str, dict[str, Json]]) -> Requirement:
    """A rule; decider 1 wrote with each what `about` says once for all."""
    value = {**about.get(str(stored["id"]), {}), **stored}
    if value["else"] not in REASONS or value["else"] == "permitted":
        raise RuleError("an unknown reason in a rule")
    words = {name: str(value[name]) for name in ("id", "article", "source", "since", "pack")}
    return Requirement(
        when=conditions.from_json(value["when"]),
        otherwise=str(value["else"]),
        checked=int(cast("int", value["checked"])),
        exempt=conditions.from_json(value["exempt"]) if "exempt" in value else None,
        starts=cast("int", value["starts"]) if "starts" in value else None,
        ends=cast("int", value["ends"]) if "ends" in value else None,
        says=cast("dict[str, str]", _object(value.get("says", {}))),
        short=cast("dict[str, str]", _object(value.get("short", {}))),
        **words,
    )


def _notice(value: dict[str, Json]) -> NoticeRules:
    told = {purpose: _strings(names) for purpose, names in _object(value["purposes"]).items()}
    said = {purpose: _strings(names) for purpose, names in _object(value.get("says", {})).items()}
    return NoticeRules(locale=str(value["locale"]), version=str(value["version"]), purposes=told, says=said)


def _duration(value: dict[str, Json]) -> Duration:
    return Duration(months=int(cast("int", value.get("months", 0))), days=int(cast("int", value.get("days", 0))))


def _object(value: Json) -> dict[str, Json]:
    if not isinstance(value, dict):
        raise RuleError("a rule table that cannot be read; an object was expected")
    return value


def _items(value: Json) -> Sequence[Json]:
    if not isinstance(value, list):
        raise RuleError("a rule table that cannot be read; a list was expected")
    return value


def _strings(value: Json) -> tuple[str, ...]:
    found = tuple(_items(value))
    if not all(isinstance(item, str) for item in found):
        raise RuleError("a rule table that cannot be read; a list of texts was expected")
    return cast("tuple[str, ...]", found)


_READERS: Mapping[str, Callable[[dict[str, Json]], RuleTable]] = {
    _FIRST: _decider_1,
    "pacte-decider/2": _decider_2,
}
"""One reader per version of the decider. INVARIANT: a version that was ever released keeps its reader."""
