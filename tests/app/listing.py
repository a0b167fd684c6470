"""A company that hands out lists: sixty people who agreed to be reached by every channel, with all their addresses."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from pacte.app.templates import policy_text
from pacte.kernel.ids import SubjectId, new_subject_id
from pacte.lake import numbers
from pacte.policy.document import load_policy_text
from pacte.testing.world import World, world
from pacte.vault import index, sealed
from pacte.vault.evidence import commit_facts

PEOPLE = 60
CHANNELS = ("email", "phone", "post")


def policy() -> str:
    """The shop's policy, with postal addresses, and a newsletter that may come by post and telephone, too."""
    text = policy_text().replace(
        "      birth_date: {category: birth_date",
        "      street: {category: physical_address, type: string, identity: address, group: address}\n"
        "      birth_date: {category: birth_date",
        1,
    )
    text = text.replace("channels: [email, sms]", "channels: [email, sms, post, phone]", 1)
    text = text.replace("      - customers.first_name\n", "      - customers.first_name\n      - customers.street\n", 1)
    return text.replace("laws: [", "segments: {smallest: 10, rounded: 10}\nlaws: [", 1)


def listing(path: Path, *, database: str = "", people: int = PEOPLE) -> World:
    """The house, and these people in it: told, with a proved yes to the newsletter by each channel."""
    found = world(path, policy=policy(), database=database)
    subjects = [new_subject_id() for _ in range(people)]
    keys, now = found.house.keys, found.clock()
    keys.create_subject_keys(subjects)
    digest = {name: notice.digest for name, notice in load_policy_text(policy()).notices.items()}["web-2024"]
    entries: list[dict[str, Any]] = []
    for subject in subjects:
        vector = {"place": "FR", "capacity": "consumer", "age": "adult"}
        about = {"subject": subject, "by": "test", "role": "controller", "effective": now}
        entries.append({"kind": "fact", **about, **commit_facts(keys.evidence_key(subject), subject, vector)})
        entries.append({"kind": "told", **about, "notice": digest, "how": "mail"})
        said = {"purpose": "newsletter", "act": "given", "learned": now, "method": "web_form", "grade": "form"}
        said |= {"voice": "self", "authenticated": 1}
        entries += [{"kind": "choice", **about, **said, "channel": channel} for channel in CHANNELS]
    with found.house.writing() as conn:
        numbers.allot(conn, subjects)
        found.house.record(conn, entries, now)
        rows = []
        for at, subject in enumerate(subjects):
            contact = {"customers.email": email(at), "customers.phone": phone(at)}
            civil = {"customers.first_name": f"Ada{at}", "customers.last_name": f"Martin{at}"}
            groups = {"contact": contact, "civil": civil, "address": {"customers.street": street(at)}}
            rows += [(subject, group, fields, "test", now, None) for group, fields in groups.items()]
        sealed.put(conn, keys, rows)
        index.add(conn, keys, [(one, "email", email(at)) for at, one in enumerate(subjects)])
        index.add(conn, keys, [(one, "phone", phone(at)) for at, one in enumerate(subjects)])
    found.people += subjects
    return found


def email(at: int) -> str:
    """Somebody's address."""
    return f"ada{at}@post.example"


def phone(at: int) -> str:
    """Somebody's number."""
    return f"+3361200{at:04d}"


def street(at: int) -> str:
    """Where somebody lives."""
    return f"{at} rue de la Source, 35000 Rennes"


def withdraws(found: World, at: int, channel: str) -> SubjectId:
    """Somebody says no to one channel."""
    subject = found.people[at]
    found.clock.forward(1e-6)
    found.said(subject, "withdrawn", channel=channel)
    return subject


def lines(path: Path) -> list[dict[str, str]]:
    """The lines of a list."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
