"""The exhibit: one printable page, in French or English, that says in plain words what a proof file shows.

It holds no personal value: the person is named by their subject identifier, as in the proof. It is complete in one file
and loads nothing. The page explains; the proof file proves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any

from pacte.app import wording
from pacte.app.house import House
from pacte.app.prove import Proof, file_name
from pacte.gate.explain import because
from pacte.gate.values import Decision
from pacte.kernel.i18n import catalogue, day, moment, text
from pacte.policy.table import PurposeRules, RuleTable

STYLE = """
@page{size:A4;margin:13mm 16mm}
:root{color-scheme:light dark;--line:#8887;--soft:#666;--yes:#11693a;--no:#a32020}
@media(prefers-color-scheme:dark){:root{--soft:#aaa;--yes:#6fd39a;--no:#ff9a92}}
*{box-sizing:border-box}
body{font:15px/1.45 Georgia,"Times New Roman",serif;max-width:50rem;margin:2rem auto;padding:0 1.2rem}
h1{font-size:1.55em;line-height:1.2;margin:.1em 0 .6em}
h2{font-size:1em;margin:1.3em 0 .35em}
p,ul,ol,dl{margin:.3em 0}
ul,ol{padding-left:1.2em}
.soft,footer{color:var(--soft);font-size:.87em}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15em 1em}
dt{color:var(--soft)}dd{margin:0}
.answer{border:2px solid;border-radius:3px;padding:.6em .9em;margin:1em 0}
.answer strong{font-size:1.35em;margin-right:.3em}
.yes strong{color:var(--yes)}.no strong{color:var(--no)}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.22em .8em .22em 0;vertical-align:top;border-bottom:1px solid var(--line)}
th{font-weight:normal;color:var(--soft);font-size:.87em}
td:nth-child(-n+3){white-space:nowrap}
tr{break-inside:avoid}
tr.cited td,tr.use td{font-weight:bold}
.two{display:grid;grid-template-columns:1fr 1fr;gap:0 2em}
code{font:.83em ui-monospace,Menlo,Consolas,monospace;overflow-wrap:anywhere}
footer{margin-top:1.2em;border-top:1px solid var(--line);padding-top:.4em}
@media(max-width:34rem){
 .two,dl{display:block}dd{margin-bottom:.4em}
 table,tbody,tr,td{display:block}thead{display:none}
 td{border:0;padding:0}tr{border-bottom:1px solid var(--line);padding:.35em 0}
 td:nth-child(-n+3){display:inline;color:var(--soft);font-size:.87em;white-space:normal}
 td:nth-child(-n+2){margin-right:.8em}td:first-child::before{content:"#"}
 td[data-label]:not(:empty)::before{content:attr(data-label) " "}
}
@media print{
 :root{color-scheme:light;--soft:#444;--yes:#000;--no:#000}
 body{font-size:9.2pt;line-height:1.32;margin:0;padding:0;max-width:none}
 h1{margin-bottom:.4em}h2{margin-top:.9em;break-after:avoid}
 .answer{margin:.6em 0;padding:.4em .8em;break-inside:avoid}th,td{padding-top:.16em;padding-bottom:.16em}
 .two,.keep{break-inside:avoid}
}
"""


def exhibit(house: House, proof: Proof, lang: str) -> str:
    """The page as HTML, complete in one file. `lang` is `en` or `fr`."""
    document = json.loads(proof.data)
    table = RuleTable.from_json(document["rules"][0])
    purpose = table.purposes[proof.use_entry["purpose"]]
    titles = {name: rules.title[lang] for name, rules in table.purposes.items() if lang in rules.title}
    title = _say("title", lang)
    parts = [
        "<!doctype html>",
        f'<html lang="{lang}">',
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{title}</title><style>{STYLE}</style></head>",
        "<body>",
        f'<header><p class="soft">{_say("kicker", lang, file=file_name(proof))}</p><h1>{title}</h1></header>',
        _frame(proof, table, purpose, titles, lang),
        _answer(proof, _was_in(document, proof), lang),
        _story(document["entries"], proof, titles, lang),
        _facts(document["facts"], lang),
        '<div class="two">',
        f"<section><h2>{_say('shows_head', lang)}</h2>{_list(_three('shows', lang, proof.size))}</section>",
        f"<section><h2>{_say('not_head', lang)}</h2>{_list(_three('not', lang, proof.size))}</section>",
        "</div>",
        _how_to_check(house, proof, lang),
        f"<footer>{_say('made', lang, moment=moment(proof.made, lang), size=proof.size)}</footer>",
        "</body>",
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _say(key: str, lang: str, **values: str | int) -> str:
    return escape(text("app", f"exhibit.{key}", lang, **values))


def _frame(proof: Proof, table: RuleTable, purpose: PurposeRules, titles: Mapping[str, str], lang: str) -> str:
    """Who answers, for which use, about whom."""
    company = table.controller
    dpo = company.get("dpo")
    role = text("app", f"role.{company['role']}", lang, behalf=str(company.get("behalf", "")))
    who = [f"{company['name']}, {role}", text("app", "exhibit.contact", lang, contact=str(company["contact"]))]
    if isinstance(dpo, Mapping) and "contact" in dpo:
        who.append(text("app", "exhibit.dpo", lang, contact=str(dpo["contact"])))
    use = _say(
        "use_words",
        lang,
        purpose=wording.target(proof.use_entry, lang, titles),
        moment=moment(proof.use_entry["as_of"], lang),
        basis=_known("basis", purpose.basis, lang),
    )
    rows = {
        "controller": escape("; ".join(who) if lang == "en" else "\u202f; ".join(who)),
        "use": use,
        "person": f'<code>{proof.subject}</code> <span class="soft">({_say("person_words", lang)})</span>',
    }
    return "<dl>" + "".join(f"<dt>{_say(name, lang)}</dt><dd>{shown}</dd>" for name, shown in rows.items()) + "</dl>"


def _was_in(document: Mapping[str, Any], proof: Proof) -> bool | None:
    """Whether the proof shows the person in the set of its use; `None` where the set has ended and it shows neither."""
    shown = [one["result"] for one in document["membership"] if one["use"] == proof.use_entry["use"]]
    return shown[0] == "present" if shown else None


def _answer(proof: Proof, recorded: bool | None, lang: str) -> str:
    """The verdict, why, and whether the person was in the recorded set."""
    answers = proof.replay.answers
    known = answers.by_known
    gone = known.reason.code == "evidence_expired"
    lines = []
    if gone:
        verdict, tone = "gone", "no"
        lines.append(_say("expired", lang))
    elif answers.differ:
        verdict, tone = "two", "open"
        lines += _both(proof, lang)
    else:
        verdict, tone = ("yes", "yes") if known.permitted else ("no", "no")
        lines.append(_say("both", lang, reason=_why(known, lang)) + _stands(known, lang))
    if proof.use_entry["mode"] == "one":
        lines.append(_say("of_one", lang))
    elif recorded is None:
        lines.append(_say("set_gone", lang))
    else:
        people = wording.people(proof.use_entry["set"]["size"], lang)
        lines.append(_say("in_set" if recorded else "not_in_set", lang, people=people))
    if proof.replay.matches is False:
        lines.append(_say("contradiction", lang))
    head = f"<strong>{_say(verdict, lang)}.</strong> "
    paragraphs = "".join(f"<p>{head if i == 0 else ''}{line}</p>" for i, line in enumerate(lines))
    if not gone and known.reason.requirement and not known.reason.checked:
        paragraphs += f'<p class="soft">{escape(text("gate", "unchecked", lang))}</p>'
    return f'<section class="answer {tone}">{paragraphs}</section>'


def _both(proof: Proof, lang: str) -> list[str]:
    answers = proof.replay.answers
    lines = [
        _say(f"{name}_{'yes' if decision.permitted else 'no'}", lang, reason=_why(decision, lang))
        + _stands(decision, lang)
        for name, decision in (("known", answers.by_known), ("true", answers.by_true))
    ]
    if others := [str(index) for index, _ in answers.between if index != proof.use_index]:
        lines.append(_say("between", lang, entries=", ".join(others)))
    return lines


def _stands(decision: Decision, lang: str) -> str:
    return " " + _say("stands", lang, entry=str(decision.cited.entry)) if decision.cited else ""


def _why(decision: Decision, lang: str) -> str:
    """The reason inside a sentence: without the sentence's own beginning and end."""
    words = because(decision.reason, lang)
    return words.partition(":")[2].strip().removesuffix(".")


def _story(entries: list[dict[str, Any]], proof: Proof, titles: Mapping[str, str], lang: str) -> str:
    cited = proof.replay.answers.by_known.cited
    heads = "".join(f'<th scope="col">{_say(name, lang)}</th>' for name in ("entry", "when", "since", "what"))
    rows = []
    for item in entries:
        index, entry = item["index"], item["entry"]
        marks = {proof.use_index: ' class="use"', cited.entry if cited else -1: ' class="cited"'}
        effect = wording.takes_effect(entry)
        since = "" if effect is None else _beside(effect, entry["at"], lang)
        label = _say("since", lang).lower()
        rows.append(
            f"<tr{marks.get(index, '')}><td>{index}</td><td>{_moment(entry['at'], lang)}</td>"
            f'<td data-label="{label}">{since}</td><td>{escape(wording.what(entry, lang, titles))}</td></tr>'
        )
    body = "\n".join(rows)
    head = f"<thead><tr>{heads}</tr></thead>"
    return f"<h2>{_say('story', lang)}</h2>\n<table>{head}<tbody>\n{body}\n</tbody></table>"


def _facts(opened: list[dict[str, Any]], lang: str) -> str:
    if not opened:
        return f"<p>{_say('no_facts', lang)}</p>"
    lines = [
        _say("facts_of", lang, entry=str(one["index"]), facts=", ".join(wording.facts(one["facts"], lang)))
        for one in opened
    ]
    return f"<h2>{_say('facts', lang)}</h2>" + ("<p>" + lines[0] + "</p>" if len(lines) == 1 else _list(lines))


def _how_to_check(house: House, proof: Proof, lang: str) -> str:
    name, key = escape(file_name(proof)), escape(house.vkey)
    steps = [
        f"{_say('check_1', lang)} <code>{hashlib.sha256(proof.data).hexdigest()}</code>",
        f"{_say('check_2', lang)} <code>{key}</code>",
        f"{_coded(_say('check_3', lang))} "
        f"<code>python verifier.py {name} --key {_say('key', lang)} --lang {lang}</code>",
        _coded(_say("check_4", lang)),
    ]
    items = "".join(f"<li>{step}</li>" for step in steps)
    return f'<section class="keep"><h2>{_say("check_head", lang)}</h2><ol>{items}</ol></section>'


def _three(what: str, lang: str, size: int) -> list[str]:
    return [_say(f"{what}_{number}", lang, size=size) for number in (1, 2, 3)]


def _list(lines: Iterable[str]) -> str:
    return "<ul>" + "".join(f"<li>{line}</li>" for line in lines) + "</ul>"


def _coded(words: str) -> str:
    """What stands in backticks, as code."""
    parts = words.split("`")
    return "".join(f"<code>{part}</code>" if i % 2 else part for i, part in enumerate(parts))


def _known(group: str, name: str, lang: str) -> str:
    key = f"{group}.{name}"
    return text("app", key, lang) if key in catalogue("app") else name


def _moment(instant: int, lang: str) -> str:
    return escape(moment(instant, lang).removesuffix(" UTC"))


def _beside(instant: int, recorded: int, lang: str) -> str:
    """A day; with the time where it is the same day as the recording."""
    shown = day(instant, lang)
    return _moment(instant, lang) if shown == day(recorded, lang) else escape(shown)
