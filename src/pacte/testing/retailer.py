"""A fictional retailer: the files that its till, its web shop and its mailing software would hand over.

Nobody in them exists. The same seed, size and `now` give the same files, byte for byte. The files fit the policy
template of the `policy` room and the mapping template of the `intake` room.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pacte.kernel.instant import Instant
from pacte.testing.people import Identities, Moments, Numbers, Strings, between, identities, moment, strings
from pacte.testing.stories import YEAR, Beginnings, Choices, beginnings, histories, is_story
from pacte.testing.words import PRODUCTS, REGIONS

KINDS = ("private", "business", "prospect")
LINES_PER_PERSON = 4
STEPS = 4


@dataclass(frozen=True, slots=True)
class Retailer:
    """The files written, in the order in which they should be loaded, and how many rows each holds."""

    customers: Path
    choices: Path
    legacy_list: Path
    orders: Path
    rows: dict[str, int]

    @property
    def files(self) -> tuple[Path, ...]:
        """Customers first: everything else refers to them."""
        return (self.customers, self.choices, self.legacy_list, self.orders)


def generate(
    directory: Path,
    people: int = 50_000,
    *,
    now: Instant,
    seed: int = 2026,
    progress: Callable[[int, int], None] | None = None,
) -> Retailer:
    """Write the retailer's four files into `directory` (made if need be); all dates lie before `now`.

    `progress(done, total)` counts files. 50,000 people and about 200,000 order lines take some seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    known = identities(rng, people, now)
    begun = beginnings(rng, known.region, known.minor, now)
    closed = _closings(rng, begun, now)
    kind = _kinds(rng, known)
    written = Retailer(
        directory / "customers.csv",
        directory / "choices.csv",
        directory / "legacy_list.csv",
        directory / "orders.parquet",
        {},
    )
    tables: dict[Path, Callable[[], pa.Table]] = {
        written.customers: lambda: _customers(rng, known, begun, closed, kind),
        written.choices: lambda: choice_table(known.number, _said(rng, known, begun, now)),
        written.legacy_list: lambda: _legacy(rng, known, begun),
        written.orders: lambda: _orders(rng, known, begun, closed, kind, now),
    }
    for step, (path, draw) in enumerate(tables.items(), 1):
        table = draw()
        pq.write_table(table, path) if path.suffix == ".parquet" else pa_csv.write_csv(table, path)
        written.rows[path.name] = table.num_rows
        if progress:
            progress(step, STEPS)
    return written


def choice_table(number: Strings, choices: Choices) -> pa.Table:
    """A choice history as a file holds it: one row per choice, empty where the retailer knows nothing."""
    rows = choices.columns()
    people = rows.pop("who").astype(np.int64)
    columns: dict[str, Any] = {"customer": number[people]}
    for name, column in rows.items():
        is_moment = name in ("when", "recorded")
        columns[name] = stamps(column.astype("datetime64[s]")) if is_moment else pa.array(column)
    named = {"when": "signed_at", "recorded": "recorded_at", "grade": "proof"}
    return pa.table({named.get(name, name): column for name, column in columns.items()})


def stamps(when: Moments) -> pa.Array:
    """Moments as UTC timestamps; `NaT` becomes an empty value."""
    return pa.array(when.astype("datetime64[s]").astype(np.int64), pa.int64(), mask=np.isnat(when)).cast(
        pa.timestamp("s", "UTC")
    )


def cents(amounts: Numbers) -> pa.Array:
    """Whole cents as decimals with two places."""
    words = np.zeros((len(amounts), 2), dtype=np.int64)
    words[:, 0] = amounts
    words[:, 1] = np.where(amounts < 0, -1, 0)
    return pa.Array.from_buffers(pa.decimal128(18, 2), len(amounts), [None, pa.py_buffer(words.tobytes())])


def _said(rng: np.random.Generator, known: Identities, begun: Beginnings, now: Instant) -> Choices:
    return histories(rng, known.region, known.minor, known.parent, begun, now)


def _closings(rng: np.random.Generator, begun: Beginnings, now: Instant) -> Moments:
    closed = between(rng, begun.signup + YEAR / 12, np.asarray(moment(now)))
    closed[rng.random(len(closed)) > 0.04] = np.datetime64("NaT")
    return closed


def _kinds(rng: np.random.Generator, known: Identities) -> Strings:
    kind = rng.choice(strings(KINDS), size=len(known.number), p=(0.95, 0.015, 0.035))
    kind[known.minor] = KINDS[0]
    return kind


def _customers(
    rng: np.random.Generator, known: Identities, begun: Beginnings, closed: Moments, kind: Strings
) -> pa.Table:
    signup = begun.signup.astype("datetime64[D]")
    parent = np.where(known.parent >= 0, known.number[known.parent], "")
    return pa.table(
        {
            "id": pa.array(known.number),
            "mail": pa.array(known.mail),
            "phone": pa.array(known.phone),
            "first_name": pa.array(known.given),
            "last_name": pa.array(known.family),
            "birth_date": pa.array(known.birth.astype("datetime64[D]")),
            "city": pa.array(known.city),
            "postcode": pa.array(known.postcode),
            "country": pa.array(strings(REGIONS[code].country for code in known.region)),
            "region": pa.array(strings(REGIONS[code].region for code in known.region)),
            "kind": pa.array(kind),
            "signup_date": pa.array(signup),
            "customer_since": pa.array(np.where(kind == "prospect", np.datetime64("NaT"), signup)),
            "closed_at": pa.array(closed.astype("datetime64[D]")),
            "notice": pa.array(begun.notice),
            "parent_id": pa.array(parent),
            # The retailer's own remark, which no policy declares: it must never enter.
            "remark": pa.array(np.where(rng.random(len(parent)) < 0.02, "called twice about a late parcel", "")),
        }
    )


def _legacy(rng: np.random.Generator, known: Identities, begun: Beginnings) -> pa.Table:
    """An old list of addresses which "agreed"; some had said no since, some are nobody's."""
    listed = is_story(begun.story, "legacy") | (rng.random(len(known.mail)) < 0.03)
    mails = known.mail[rng.permutation(np.flatnonzero(listed & ~known.minor))]
    strangers = strings(f"stranger.{n}@liste.example" for n in range(max(1, len(mails) // 40)))
    everybody = np.concatenate([mails, strangers])
    return pa.table({"email": pa.array(everybody), "opted_in": pa.array(["yes"] * len(everybody))})


def _orders(
    rng: np.random.Generator, known: Identities, begun: Beginnings, closed: Moments, kind: Strings, now: Instant
) -> pa.Table:
    end = moment(now)
    start = np.maximum(begun.signup, end - 2 * YEAR)
    stop = np.where(np.isnat(closed), end, closed)
    count = int(len(known.number) * LINES_PER_PERSON / 1.9)
    weight = rng.gamma(0.6, size=len(known.number)) * np.maximum((stop - start).astype(np.int64), 0)
    weight[kind == "prospect"] = 0
    person = np.sort(rng.choice(len(known.number), size=count, p=weight / weight.sum()))
    ordered = between(rng, start[person], stop[person])
    in_shop = rng.random(count) < 0.3
    anonymous = in_shop & (rng.random(count) < 0.25)
    order = np.argsort(ordered, kind="stable")
    person, ordered, in_shop, anonymous = person[order], ordered[order], in_shop[order], anonymous[order]
    lines = rng.choice(3, size=count, p=(0.4, 0.3, 0.3)) + 1
    of = np.repeat(np.arange(count), lines)
    first = np.cumsum(lines) - lines
    product = rng.integers(len(PRODUCTS), size=len(of))
    price = np.array([cost for _, cost in PRODUCTS], dtype=np.int64)[product]
    quantity = 1 + rng.poisson(0.4, size=len(of))
    number = strings(f"W{index:08d}" for index in range(1, count + 1))
    return pa.table(
        {
            "order_id": pa.array(number[of]),
            "line": pa.array(np.arange(len(of)) - first[of] + 1),
            "customer": pa.array(known.number[person[of]], mask=anonymous[of]),
            "ordered_at": stamps(ordered[of]),
            "channel": pa.array(np.where(in_shop[of], "shop", "web")),
            "product": pa.array(strings(name for name, _ in PRODUCTS)[product]),
            "amount": cents(price * quantity),
        }
    )
