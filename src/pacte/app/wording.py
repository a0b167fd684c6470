"""Ledger entries and facts in plain words, for screens and for the exhibit; no personal value, no digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from babel import Locale

from pacte.kernel.i18n import LANGUAGES, catalogue, counted, day, moment, text
from pacte.policy import channels
from pacte.policy.vocabulary import STANDING_CHOICES

A_MINUTE = 60_000_000
"""Entries of one batch share their time: what took effect less than a minute earlier took effect then."""

_CONTACT = ("segment", "message", "campaign", "suppressed", "export", "list")
"""Kinds about writing to people, whose `act` says what happened."""


def describe(entry: Mapping[str, Any], lang: str, titles: Mapping[str, str] | None = None) -> str:
    """One ledger entry in words, with the moment it takes effect where that is another one; `titles` as for `what`."""
    words = what(entry, lang, titles)
    other = takes_effect(entry)
    return words if other is None else f"{words} {text('app', 'effective', lang, moment=moment(other, lang))}"


def takes_effect(entry: Mapping[str, Any]) -> int | None:
    """When an entry takes effect, if that is not when it was recorded."""
    effective: int | None = entry.get("effective")
    return None if effective is None or abs(effective - entry["at"]) <= A_MINUTE else effective


def what(entry: Mapping[str, Any], lang: str, titles: Mapping[str, str] | None = None) -> str:
    """What one ledger entry says; `titles` are names in `lang`, where known: of purposes, `form:…`, `recipient:…`."""
    kind = entry["kind"]
    key = f"entry.{kind}"
    values: dict[str, str | int] = {name: value for name, value in entry.items() if isinstance(value, str)}
    if kind in ("choice", "staff", *_CONTACT):
        key += "." + entry["act"]
    if kind in ("erasure", "keys"):
        key += "." + entry["step"]
    if kind in ("choice", "use") or (kind in _CONTACT and "purpose" in entry):
        values["purpose"] = target(entry, lang, titles)
    if kind == "choice":
        voice = "guardian" if entry["voice"] == "guardian" else "person"
        values |= {"who": text("app", f"who.{voice}", lang), "proof": _proof(entry, lang)}
    if kind == "staff":
        values["role"] = staff_role(entry["staff_role"], lang)
    if kind in ("look", "look_aside", "sought"):
        values["reason"] = look_reason(entry["reason"], lang)
    if kind == "suppressed":
        values["reason"] = suppressed_why(entry["reason"], lang)
    if kind in ("told", "recipient_told"):
        values["how"] = _how(entry["how"], lang)
    if kind in ("form", "notice"):
        values["locale"] = language_name(entry["locale"], lang)
    if kind == "form":
        values["name"] = (titles or {}).get(f"form:{entry['name']}", entry["name"])
    if kind == "recipient_told":
        values["recipient"] = _recipient(entry["recipient"], titles)
    if kind in ("stop", "stop_lifted"):
        values["scope"] = purpose_name(entry["scope"], lang, titles)
    if kind == "keys":
        values["epoch"] = entry["epoch"]
    if kind == "use" and entry["mode"] == "one":
        key += "_message" if "campaign" in entry else "_one"
    elif kind == "use":
        values["people"] = people(entry["set"]["size"], lang)
    if kind == "erasure" and "evidence_until" in entry:
        values["until"] = day(entry["evidence_until"], lang)
    words = text("app", key, lang, **values)
    if kind == "policy" and "advice" in entry:
        words += " " + text("app", "advised", lang, advice=text("app", f"advice.{entry['advice']}", lang))
    return words


def look_reason(code: str, lang: str) -> str:
    """Why somebody looked, in words where the reason is one of ours."""
    key = f"look_reason.{code}"
    return text("app", key, lang) if key in catalogue("app") else code


def suppressed_why(code: str, lang: str) -> str:
    """Why an address is written to no more, in words where the reason is one of ours."""
    key = f"suppressed_why.{code}"
    return text("app", key, lang) if key in catalogue("app") else code


def job_ended(code: str, lang: str) -> str:
    """Why a job ended without being done; where the gate denied it, the gate's reason."""
    if f"job_ended.{code}" in catalogue("app"):
        return text("app", f"job_ended.{code}", lang)
    if f"reason.{code}" in catalogue("policy"):
        return text("app", "job_ended.denied", lang, reason=text("policy", f"reason.{code}", lang))
    return text("app", "job_ended.other", lang, code=code)


def language_name(locale: str, lang: str) -> str:
    """A language in words; one that is none of ours stays as it is."""
    spoken = locale.partition("-")[0]
    return text("policy", f"diff.word.{spoken}", lang) if spoken in LANGUAGES else locale


def _how(code: str, lang: str) -> str:
    """How somebody was told, in words where the way is one of ours."""
    key = f"how.{code}"
    return text("app", key, lang) if key in catalogue("app") else code


def staff_role(name: str, lang: str) -> str:
    """A role of the staff in words."""
    key = f"staff_role.as_{name}"
    return text("app", key, lang) if key in catalogue("app") else name


def target(entry: Mapping[str, Any], lang: str, titles: Mapping[str, str] | None = None) -> str:
    """What a choice or a use is about: the purpose, by which channel, for which recipient."""
    words = purpose_name(entry["purpose"], lang, titles)
    if channel := entry.get("channel"):
        words += " " + channels.by(channel, lang)
    if recipient := entry.get("recipient"):
        words += " " + text("app", "to", lang, recipient=_recipient(recipient, titles))
    return words


def _recipient(name: str, titles: Mapping[str, str] | None) -> str:
    return (titles or {}).get(f"recipient:{name}", name)


def purpose_name(purpose: str, lang: str, titles: Mapping[str, str] | None = None) -> str:
    """A purpose as a sentence names it: its title where known, else its identifier."""
    if purpose == "*":
        return text("app", "every_purpose", lang)
    if purpose in STANDING_CHOICES.values():
        return text("app", f"standing.{purpose.removeprefix('all:')}", lang)
    return text("app", "purpose", lang, purpose=(titles or {}).get(purpose, purpose))


def people(count: int, lang: str) -> str:
    """A number of people."""
    return counted("app", "people", lang, count)


def facts(opened: Mapping[str, Any], lang: str) -> list[str]:
    """The facts of one opened `fact` entry in words, one each; `minor until …` says already that they were a minor."""
    told = {
        name: value
        for name, value in opened.items()
        if (name, value) != ("age", "minor") or "minor_until" not in opened
    }
    return [_fact(name, value, lang) for name, value in sorted(told.items())]


def _fact(name: str, value: str | int | list[str], lang: str) -> str:
    known = catalogue("app")
    if isinstance(value, list):
        shown = ", ".join(value)
    elif isinstance(value, int):
        shown = day(value, lang)
    elif name == "guardian":
        shown = f"{value[:8]}…"
    else:
        key = f"fact_value.{value}"
        shown = text("app", key, lang) if key in known else country(value, lang)
    key = f"fact.{name}"
    return text("app", key, lang, value=shown) if key in known else f"{name} {shown}"


def country(code: str, lang: str) -> str:
    """The name of a country (ISO 3166); anything else stays as it is."""
    return str(Locale(lang).territories.get(code, code))


def _proof(entry: Mapping[str, Any], lang: str) -> str:
    words = text("app", f"grade.{entry['grade']}", lang)
    if "expires" not in entry:
        return words
    return f"{words}, {text('app', 'until', lang, day=day(entry['expires'], lang))}"
