"""Where a company is stands under every promotion that leaves, once its policy says it, and under no other mail."""

from __future__ import annotations

from collections.abc import Iterator
from email import message_from_bytes, policy
from typing import Any

import pytest

from pacte.app import specimen
from pacte.app.policies import document
from pacte.testing.shop import Shop
from pacte.testing.shop import shop as make_shop
from pacte.uses.message.model import read
from tests.app.mail import serving
from tests.app.sending import Sink, begun, send, with_mail
from tests.uses.test_uses_message_checks import GOOD, SERVICE


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop that says where it is."""
    folder = tmp_path_factory.mktemp("postal")
    found = make_shop(folder / "house", folder / "files", people=200)
    yield found
    found.house.close()


def test_a_campaign_says_where_the_company_is(shop: Shop) -> None:
    """In both parts of each mail."""
    bodies: list[bytes] = []

    class Kept(Sink):
        """A sink that keeps what it takes."""

        async def handle_DATA(self, server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802 # the library's name
            bodies.append(bytes(envelope.content))
            return await super().handle_DATA(server, _session, envelope)

    where = document(shop.house).controller.postal
    assert where
    box = Kept()
    with serving(box) as box.port:
        house = with_mail(shop.house, box)
        begun(house, shop.permitted)
        send(house)
    assert len(bodies) == len(shop.permitted)
    for part in message_from_bytes(bodies[0], policy=policy.default).iter_parts():
        assert where in part.get_content()


def test_a_preview_says_it_of_promotions_alone(shop: Shop) -> None:
    """A receipt is no offer, and says who writes and how to reach them as before."""
    where = str(document(shop.house).controller.postal)
    assert where in specimen.look(shop.house, read(GOOD.encode()), "en").text
    assert where not in specimen.look(shop.house, read(SERVICE.encode()), "en").text
