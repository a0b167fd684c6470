"""May we? Answered for other systems: one question, many, or beside what they did without asking (shadow mode)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from pacte.app import answers as app
from pacte.app import shadow
from pacte.app.answers import Answer, Asked
from pacte.app.policies import published
from pacte.gate import explain
from pacte.gate.values import Decision as Decided
from pacte.gate.values import Reason as Why
from pacte.kernel.errors import Denied, PacteError
from pacte.kernel.i18n import text
from pacte.kernel.instant import Instant, from_datetime, to_iso
from pacte.policy.mistakes import meant
from pacte.web.api import problems
from pacte.web.api.calls import Call, operation
from pacte.web.api.models import (
    AgreementOf,
    CitedChoice,
    Days,
    Decision,
    Decisions,
    ObligationOf,
    OneAnswer,
    Problem,
    Question,
    Questions,
    Reason,
    ShadowAnswer,
    ShadowAnswers,
    ShadowReport,
    ShadowReports,
    ShadowSummary,
    instant,
    shown,
)
from pacte.web.api.problems import Refused


@operation("POST", "/decisions", scope="decisions:read", takes=Question, gives=Decision, may=("bad_input", "conflict"))
def decide(call: Call) -> Decision:
    """The answer to one question, with its reasons; it releases nothing."""
    call.refuse_foreign(call.body.purpose)
    return _helped(call, decision(app.answer(call.house, _asked(call.body), call.key.actor), call.body.lang), call.body)


@operation(
    "POST",
    "/decisions/batch",
    scope="decisions:read",
    takes=Questions,
    gives=Decisions,
    many="questions",
    may=("bad_input",),
)
def decide_many(call: Call) -> Decisions:
    """Answers to many questions from one snapshot of the records; what is wrong with one concerns it alone."""
    for question in call.body.questions:
        call.refuse_foreign(question.purpose)
    found = app.answers(call.house, [_asked(one) for one in call.body.questions], call.key.actor)
    pairs = zip(found, call.body.questions, strict=True)
    return Decisions(decisions=tuple(_one(call, answer, question) for answer, question in pairs))


@operation(
    "POST",
    "/decisions/shadow",
    scope="shadow:write",
    takes=ShadowReports,
    gives=ShadowAnswers,
    many="reports",
    may=("bad_input",),
)
def report_shadow(call: Call) -> ShadowAnswers:
    """What the gate would have said to what another system did; counted, never recorded about anybody."""
    for one in call.body.reports:
        call.refuse_foreign(one.purpose)
    reports = [shadow.Report(_reported(one), one.did) for one in call.body.reports]
    found = shadow.compare(call.house, reports, call.key.actor)
    pairs = zip(found, reports, strict=True)
    return ShadowAnswers(answers=tuple(_compared(answer, report.did) for answer, report in pairs))


@operation("GET", "/shadow/report", scope="shadow:read", asks=Days, gives=ShadowSummary, may=("bad_input",))
def read_shadow(call: Call) -> ShadowSummary:
    """How often another system and the gate agreed, by day and purpose; the last thirty days if none are named."""
    house, key = call.house, call.key
    last = _day(call.body.last) if call.body.last else house.clock()
    first = _day(call.body.first) if call.body.first else Instant(last - 29 * 86_400_000_000)
    found = [one for one in shadow.report(house, first, last) if key.covers(one.purpose)]
    days = (
        AgreementOf(
            day=to_iso(one.day)[:10],
            purpose=one.purpose or None,
            agreed=one.agreed,
            done_though_denied=one.done_though_denied,
            left_though_permitted=one.left_though_permitted,
            reasons=one.reasons,
        )
        for one in found
    )
    return ShadowSummary(days=tuple(days))


def decision(answer: Answer, lang: str) -> Decision:
    """A decision as programs read it, with its words."""
    said, asked = answer.decision, answer.decision.question
    return Decision(
        permitted=said.permitted,
        reason=_reason(said.reason, lang),
        fields=dict(said.fields),
        failing=said.failing,
        cited=_cited(said),
        obligations=tuple(ObligationOf(code=one.code, before=shown(one.before)) for one in answer.obligations),
        as_of=to_iso(asked.as_of),
        known_at=asked.known,
        rules=said.rules,
        explanation=explain.explain(said, lang),
    )


def _helped(call: Call, found: Decision, asked: Question) -> Decision:
    """A decision that says whether its purpose is declared at all, and which one was probably meant."""
    if found.reason.code != "unknown_purpose":
        return found
    declared = _declared(call)
    near = meant(asked.purpose, filter(call.key.covers, declared)).partition("`")[2].partition("`")[0]
    return found.model_copy(update={"declared": asked.purpose in declared, "meant": near or None})


def _declared(call: Call) -> Collection[str]:
    """The purposes of the policy in force; none before there is one."""
    try:
        with call.house.reading() as conn:
            return published(conn, call.house.present(conn)).document.purposes
    except Denied:
        return ()


def _one(call: Call, answer: Answer | PacteError, asked: Question) -> OneAnswer:
    if isinstance(answer, PacteError):
        return OneAnswer(problem=Problem(**problems.of_one(answer)))
    return OneAnswer(decision=_helped(call, decision(answer, asked.lang), asked))


def _compared(answer: Answer | PacteError, did: bool) -> ShadowAnswer:
    if isinstance(answer, PacteError):
        return ShadowAnswer(problem=Problem(**problems.of_one(answer)))
    said = answer.decision
    return ShadowAnswer(permitted=said.permitted, reason=said.reason.code, agrees=said.permitted == did)


def _reason(reason: Why, lang: str) -> Reason:
    parts = {name: getattr(reason, name) or None for name in ("requirement", "article", "source", "since", "pack")}
    return Reason(
        code=reason.code, words=text("policy", f"reason.{reason.code}", lang), checked=reason.checked, **parts
    )


def _cited(said: Decided) -> CitedChoice | None:
    cited = said.cited
    if cited is None:
        return None
    since, expires = to_iso(cited.since), shown(cited.expires)
    return CitedChoice(
        entry=cited.entry,
        status=cited.status,
        since=since,
        grade=cited.grade,
        notice=cited.notice or None,
        expires=expires,
    )


def _asked(body: Question) -> Asked:
    place = (body.channel or "", body.recipient or "")
    return Asked(body.person, body.purpose, body.fields, *place, instant(body.as_of), body.known_at)


def _reported(body: ShadowReport) -> Asked:
    return Asked(body.person, body.purpose, body.fields, body.channel or "", body.recipient or "")


def _day(written: str) -> Instant:
    try:
        return from_datetime(datetime.fromisoformat(written).replace(tzinfo=UTC))
    except ValueError:
        raise Refused("bad_input", "a day that no calendar has; expected `YYYY-MM-DD`") from None
