"""Take back a no that was just said by the link of a message: for the browser that said it, half an hour long.

That browser gets a sealed word of its own. With it the state is what it was before: the yes that there was counts
again, by its own text, proof and end, each person's own where several share the address. Nobody else can do it, so
that a forwarded message renews and widens nothing.
Source: GDPR Art. 4(11), 7(1), 7(3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pacte.app import links
from pacte.app.commits import First
from pacte.app.committer import Change, Moment
from pacte.app.unsubscribe import BY_UNDO, UNDO_LASTS, Ended, is_kept, switches
from pacte.consent.choices import build_choice
from pacte.kernel.errors import BadInput
from pacte.kernel.ids import SubjectId
from pacte.ledger import log, queries

if TYPE_CHECKING:
    from pacte.app.house import House

UNDO = "unsubscribed"
"""The kind of word that takes it back."""
_RESTATED = ("grade", "voice", "authenticated", "notice", "locale", "notice_version", "form", "expires")
"""What a yes that is taken up again keeps of the one there was."""


def word_of(house: House, subject: SubjectId, ended: Ended) -> str:
    """What the browser gets that unsubscribed, to take it back with; empty where there is nothing to take back."""
    if not ended.ending:
        return ""
    return links.seal(house, UNDO, {"subject": subject, "entries": ".".join(map(str, ended.ending))}, UNDO_LASTS)


def undoable(house: House, subject: SubjectId, word: str) -> tuple[int, ...]:
    """The entries that a browser may take back with its word for this person; none for any other word."""
    try:
        found = links.opened(house, UNDO, word)
    except (links.Forged, links.Expired):
        return ()
    return tuple(map(int, found["entries"].split("."))) if found["subject"] == subject else ()


def undo(house: House, subject: SubjectId, word: str) -> int:
    """Take back what was ended with a word; answers how many switches are on again."""
    entries = undoable(house, subject, word)
    if not entries:
        return 0
    with house.reading() as conn:
        said = [log.entry(conn, index) for index in entries]
    people = {SubjectId(str(one["subject"])) for one in said if one is not None and "subject" in one}
    return house.commit(Undo(tuple(sorted(people)), entries))


@dataclass(frozen=True, slots=True)
class Undo:
    """The verb: take back what was just ended; `entries` are those of its no, as `Ended.ending` has them.

    What somebody said about the same since then stays, also where they only said it again.
    """

    persons: tuple[SubjectId, ...]
    entries: tuple[int, ...]
    key: str = ""

    def change(self, moment: Moment) -> Change[int]:
        """The yes that there was, with its own proof, text and end; or the objection lifted. Answers how many."""
        found = [self._restored(moment, one) for one in self.entries]
        entries = [entry for entry in found if entry is not None]
        return Change(lambda _: len(entries), entries)

    def again(self, moment: Moment, first: First) -> int:  # noqa: ARG002 # part of the protocol
        """It has no key."""
        raise BadInput("an undo has no key")

    def _restored(self, moment: Moment, index: int) -> dict[str, Any] | None:
        no = log.entry(moment.conn, index)
        if is_kept(moment.conn, index):  # somebody else said it as well
            return None
        if no is None or no["kind"] != "choice" or no.get("subject") not in self.persons:
            return None
        subject = SubjectId(str(no["subject"]))
        if not moment.here(subject):
            return None
        name, channel, recipient = str(no["purpose"]), str(no.get("channel", "")), str(no.get("recipient", ""))
        asked = switches(moment, subject, name, "") if name in moment.policy.document.purposes else ()
        switch = next((one for one in asked if (one.channel, one.recipient) == (channel, recipient)), None)
        if switch is None or switch.entry != index or switch.acts[0] != no["act"]:
            return None
        kept: Mapping[str, Any] = {"grade": "form", "voice": no["voice"], "authenticated": 1}
        if switch.acts[1] == "given":
            yes = _yes_before(moment, subject, index, (name, channel, recipient), str(no["voice"]))
            if yes is None or yes.get("expires", moment.present + 1) <= moment.present:
                return None
            kept = {word: yes[word] for word in _RESTATED if word in yes}
        rest = {word: value for word, value in kept.items() if word not in ("expires", "authenticated")}
        rest |= moment.policy.document.controller.standing
        entry: dict[str, Any] = build_choice(
            subject=subject, purpose=name, act=switch.acts[1], method=BY_UNDO, now=moment.present,
            effective=moment.present, by="person", channel=channel, recipient=recipient,
            authenticated=bool(kept["authenticated"]), **rest,
        )  # fmt: skip
        return entry | ({"expires": kept["expires"]} if "expires" in kept else {})


def _yes_before(
    moment: Moment, subject: SubjectId, index: int, place: tuple[str, str, str], voice: str
) -> Mapping[str, Any] | None:
    """The last yes of a voice before an entry that covered a purpose, a channel and a recipient."""
    said = queries.about_of_kind(moment.conn, subject, "choice")
    covering = (
        entry
        for at, entry in reversed(said)
        if at < index
        and (entry["act"], entry["voice"]) == ("given", voice)
        and entry["purpose"] == place[0]
        and entry.get("channel", "") in ("", place[1])
        and entry.get("recipient", "") in ("", place[2])
    )
    return next(covering, None)
