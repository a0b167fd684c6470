"""What keeps messages of a campaign from leaving, or from leading anywhere: said before it begins, and meanwhile.

Nothing here stops a campaign: whoever sends decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from sqlalchemy import Connection

from pacte.app import campaigns
from pacte.app.deliverability import HERE
from pacte.app.delivering import AWAY_FIRST, AWAY_LAST
from pacte.app.handing import MAIL, channels
from pacte.kernel import db
from pacte.kernel.instant import Instant

if TYPE_CHECKING:
    from pacte.app.house import House

NO_WAY_OUT, LINKS_HERE, AWAY = "no_way_out", "links_here", "server_away"
"""No setting says how a message of this channel leaves; its links lead to this machine, and it goes to others; the
server cannot be reached, or does not let us in."""


class Away(NamedTuple):
    """How long a server is away: attempts in a row, about when the first was, and when the next is."""

    attempts: int
    since: Instant
    again: Instant


def lacking(house: House, channel: str) -> list[str]:
    """What the settings lack for messages of this channel."""
    if channel not in channels(house):
        return [NO_WAY_OUT]
    mail, here = house.settings.mail, urlsplit(house.settings.web.url).hostname in HERE
    return [LINKS_HERE] if channel == MAIL and here and mail.host and mail.host not in HERE else []


def away(conn: Connection, campaign: str) -> Away | None:
    """How long the server has been away for the messages of a campaign; `None` where it is there, or none was tried."""
    sql = "SELECT failures, due FROM campaign_block WHERE campaign = ? AND failures > 0 ORDER BY failures DESC, due"
    found = db.fetch(conn, sql, (campaign,))
    if not found:
        return None
    attempts = int(found[0][0])
    waited = sum(min(AWAY_FIRST * 2**before, AWAY_LAST) for before in range(min(attempts, 500)))
    return Away(attempts, Instant(found[0][1] - waited), Instant(min(due for _, due in found)))


def waiting(house: House) -> list[tuple[str, str]]:
    """(code, campaign) of those that are being sent and cannot be: `no_way_out`, or `server_away`."""
    with house.reading() as conn:
        sent = [one for one in campaigns.listed(conn, 1_000) if one.state == campaigns.SENDING]
        found = [(one, away(conn, one.id)) for one in sent]
    stuck = [(one, NO_WAY_OUT) for one, _ in found if NO_WAY_OUT in lacking(house, one.channel)]
    gone = [(one, AWAY) for one, there in found if there is not None]
    return [(code, one.id) for one, code in [*stuck, *gone]]
