"""Answers to text messages: STOP, and whatever else says it, ends them before it is acknowledged.

It does so for everybody behind the number and for every purpose; one message confirms it, and no other answer is looked
at. Source: 47 CFR 64.1200(a)(10)-(12); CPCE art. L34-5; GDPR Art. 7(3), 21(3).
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

from pacte.app import message_ids, sms
from pacte.app.identity import identified
from pacte.app.jobs import Ended
from pacte.app.people import people_of
from pacte.app.policies import document
from pacte.app.unsubscribe import BY_REPLY, Unsubscribe
from pacte.kernel import db, jobs
from pacte.kernel.errors import BadInput, Denied, NotFound
from pacte.kernel.i18n import text
from pacte.kernel.ids import SubjectId, parse_subject_id
from pacte.kernel.instant import DAY, SECOND, Instant
from pacte.kernel.jobs import Job
from pacte.kernel.redacted import Redacted

if TYPE_CHECKING:
    from pacte.app.house import House

CONFIRM = "confirm_sms"
"""The kind of job that confirms that text messages have ended."""
CONFIRM_WITHIN = 300 * SECOND
"""How long a confirmation may take, in microseconds; a later one is not sent. Source: 47 CFR 64.1200(a)(12)."""
STOP = frozenset(
    "stop stopper arret arreter arretez unsubscribe desabo desabonner desabonnement desinscription".split()  # noqa: SIM905 reads better
)
"""Words that end text messages, whatever follows them, without accents."""
ALONE = frozenset({"quit", "end", "revoke", "opt out", "optout", "cancel", "stopall", "fin", "annuler"})
"""Words that end them where the message holds nothing else."""
_FRENCH = ("arret", "desabo", "desinscri", "fin", "annuler")
_LONGEST = 200


def ends(words: str) -> bool:
    """Whether an answer says that somebody wants no more text messages.

    >>> ends("STOP"), ends("Arrêt svp"), ends("opt-out"), ends("Désabo."), ends("the end is nigh"), ends("don't stop")
    (True, True, True, True, False, False)
    """
    plain = _plain(words)
    first = plain.partition(" ")[0]
    return plain in ALONE or first in STOP or bool(re.fullmatch(r"stop\d{2,6}", first))


def answered(house: House, sender: Redacted[str], words: str, *, by: str) -> bool:
    """Act upon an answer: where it ends them, record the no of everybody behind the number, then ask to confirm it.

    Answers whether it was such a word, and not whether the number is known.
    """
    if not ends(words):
        return False
    with house.reading() as conn:
        try:
            people = people_of(house, conn, f"phone:{sender.reveal()}")
        except BadInput:
            people = []
    ended = [one for one in people if house.commit(Unsubscribe((one,), "", sms.CHANNEL, BY_REPLY, by)).entries]
    if ended and house.settings.sms.url:
        _confirm(house, ended[0], "fr" if _plain(words).startswith(_FRENCH) else house.settings.language)
    return True


def confirm(house: House, job: Job, now: Instant) -> Ended | None:
    """Do the job of a confirmation: one message that it is over, with nothing to sell and nothing to answer."""
    lang, until, _ = str(job.target).split(":", 2)
    if int(until) <= now:
        return Ended("too_late")
    try:
        subject = parse_subject_id(str(job.about))
        found = identified(house, subject, "house:rights", ("phone",), by="worker")
    except Denied as denied:
        return Ended(denied.code)
    except NotFound:  # erased since
        return None
    number = next((value for _, one in sorted(found.items()) if isinstance(value := one.reveal(), str) and value), "")
    if not number:
        return Ended("no_address")
    words = text("app", "sms.ended", lang, company=document(house).controller.name)
    name = message_ids.name(message_ids.key(house), CONFIRM, int(until), subject)
    sms.send(house, sms.Text(Redacted(number), words, name))
    return None


def _confirm(house: House, subject: SubjectId, lang: str) -> None:
    now = house.clock()
    target = f"{lang}:{now + CONFIRM_WITHIN}:{subject}"
    with db.write(house.engine) as conn:
        jobs.add(conn, [Job(CONFIRM, now, subject, None, target, Instant(now + DAY))])


def _plain(words: str) -> str:
    """Words in small letters, without accents and signs, one blank between them."""
    apart = unicodedata.normalize("NFKD", words[:_LONGEST].casefold())
    bare = "".join(one for one in apart if not unicodedata.combining(one)).replace("'", "").replace("’", "")
    return " ".join(re.sub(r"[^a-z0-9]+", " ", bare).split())
