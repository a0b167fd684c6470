"""People and choices for the public Online Retail purchases, which have neither: fictional, seeded, kept beside them.

The set (UCI "Online Retail", Chen, Sain and Guo, 2012, CC BY 4.0) holds 541,909 purchase lines of 4,372 customers, of
whom it says a number and a country. Everything else here is invented. Sales without a customer stay nobody's.

    python -m pacte.testing.online_retail online_retail.parquet DIRECTORY
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq

from pacte.kernel.instant import Instant
from pacte.kernel.instant import now as system_clock
from pacte.testing.people import Numbers, Strings, identities, strings
from pacte.testing.retailer import choice_table
from pacte.testing.stories import beginnings, histories

PURPOSES = ("newsletter", "statistics", "partner_offers", "*")
OLD = "v1"
SEED = 2011


@dataclass(frozen=True, slots=True)
class Companion:
    """The files written beside the purchases, how many people they are about, and how many choices those made."""

    customers: Path
    choices: Path
    policy: Path
    mapping: Path
    people: int
    said: int


def companion(purchases: Path, directory: Path, *, now: Instant, seed: int = SEED) -> Companion:
    """Write customers, choices, policy and mapping for the customers of the Parquet file `purchases`.

    The same file, seed and `now` give the same files, byte for byte; all dates lie before `now`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    number, country, since = _customers(purchases)
    rng = np.random.default_rng(seed)
    drawn = identities(rng, len(number), now)
    # The set says nothing of ages: no minors here, and everybody is asked as if they lived in one place.
    nowhere, adults = np.zeros(len(number), dtype=np.int64), np.zeros(len(number), dtype=np.bool_)
    begun = beginnings(rng, nowhere, adults, now)
    said = histories(rng, nowhere, adults, np.full(len(number), -1), begun, now)
    births = np.where(drawn.minor, drawn.birth - np.timedelta64(20 * 365, "D"), drawn.birth)
    business = rng.random(len(number)) < 0.2
    people = pa.table(
        {
            "id": pa.array(number),
            "mail": pa.array(drawn.mail),
            "first_name": pa.array(drawn.given),
            "last_name": pa.array(drawn.family),
            "birth_date": pa.array(births.astype("datetime64[D]")),
            "country": pa.array(country),
            "kind": pa.array(np.where(business, "business", "private")),
            "customer_since": pa.array(since.astype("datetime64[D]")),
            "signup_date": pa.array(begun.signup.astype("datetime64[D]")),
            "notice": pa.array(np.where(begun.notice == "v3", "v3", OLD)),
        }
    )
    choices = choice_table(number, said).drop_columns(["recipient"])
    choices = choices.filter(pc.is_in(choices["purpose"], pa.array(PURPOSES)))
    choices = choices.filter(pc.not_equal(choices["channel"], "sms"))  # the set has no telephone numbers
    written = Companion(
        directory / "customers.csv",
        directory / "choices.csv",
        directory / "policy.yaml",
        directory / "mapping.yaml",
        len(number),
        choices.num_rows,
    )
    pa_csv.write_csv(people, written.customers)
    pa_csv.write_csv(choices, written.choices)
    for path in (written.policy, written.mapping):
        template = files("pacte.testing").joinpath("templates", f"online_retail.{path.name}")
        path.write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
    return written


def _customers(purchases: Path) -> tuple[Strings, Strings, Numbers]:
    """Number, country and day of the first purchase of every customer, in the order of their numbers."""
    rows = pq.read_table(purchases, columns=["CustomerID", "Country", "InvoiceDate"])
    rows = rows.filter(pc.is_valid(rows["CustomerID"])).sort_by(
        [("CustomerID", "ascending"), ("InvoiceDate", "ascending")]
    )
    people = rows["CustomerID"].to_numpy()
    first = np.flatnonzero(np.concatenate([[True], people[1:] != people[:-1]]))
    last = np.append(first[1:], len(people)) - 1
    country = rows["Country"].to_numpy()[last]  # some moved: where they bought last
    when = rows["InvoiceDate"].to_numpy()[first]
    return strings(str(person) for person in people[first]), strings(country), when


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the companion files from the command line, and say what they hold."""
    parser = argparse.ArgumentParser(prog="python -m pacte.testing.online_retail")
    parser.add_argument("purchases", type=Path, help="online_retail.parquet")
    parser.add_argument("directory", type=Path, help="where the companion files are written")
    parser.add_argument("--seed", type=int, default=SEED, help="another seed invents other people")
    options = parser.parse_args(arguments)
    done = companion(options.purchases, options.directory, now=system_clock(), seed=options.seed)
    told = (
        f"{done.customers}: {done.people:,} people, invented",
        f"{done.choices}: {done.said:,} choices, invented",
        f"{done.policy}, {done.mapping}: what such a shop could promise, and how its files are read",
    )
    sys.stdout.write("\n".join(told) + "\n")


if __name__ == "__main__":
    main()
