"""The mapping file: read strictly, all mistakes at once."""

from __future__ import annotations

from pathlib import Path

import pytest

from pacte.intake.mapping import load_mapping
from pacte.kernel.errors import BadInput, PolicyError
from pacte.policy.document import load_policy

MISTAKES = """\
mapping: 2
sources:
  a:
    file: x.csv
    dataset: custmers
    feilds: {a: b}
  b:
    file: y.csv
    dataset: customers
    notice: web-2023
    collected: {fixed: soon}
    delimiter: ";;"
    fields: {customer_id: id, emial: mail}
    facts: {capacity: {values: {a: pro}, column: k}, plaec: x}
  c:
    file: z.csv
    choices: yes
    person: {mail: email}
    columns: {act: a, when: b}
  d e:
    file: z.csv
    dataset: orders
    fields: {order_id: id}
    facts: {birth_date: b}
  f:
    file: f.csv
    dataset: customers
    fields: {customer_id: id}
    facts: {over: {colum: c, years: 12}}
"""

EXPECTED = """\
m.yaml:1: unknown version of the mapping format; expected `mapping: 1`
m.yaml:3: sources.a lacks `fields`
m.yaml:5: unknown dataset `custmers`; did you mean `customers`?
m.yaml:6: unknown key `feilds` in sources.a; did you mean `fields`?
m.yaml:10: unknown notice `web-2023`; did you mean `web-2024`?
m.yaml:11: `collected` should be a column or a fixed date such as `{fixed: 2024-01-31}`
m.yaml:12: the delimiter should be one character such as `,` or `;`, or the word `tab`
m.yaml:13: the policy declares no field `customers.emial`; did you mean `email`?
m.yaml:14: unknown capacity `pro`; expected one of `consumer`, `deceased`, `former`, `professional`, `prospect`
m.yaml:14: unknown key `plaec` in sources.b.facts; did you mean `place`?
m.yaml:15: a choice needs `purpose`, in `columns` or in `defaults`
m.yaml:18: `mail` does not name people; did you mean `email`?
m.yaml:19: unknown key `when` in sources.c.columns
m.yaml:20: the name of a source should be one short word such as `crm` or `web-shop`; the ledger repeats it
m.yaml:23: `sources.d e.fields` lacks `customer_id`, which names the rows of `orders` or their people
m.yaml:23: `sources.d e.fields` lacks `line`, which names the rows of `orders` or their people
m.yaml:24: `orders` has no person per row; facts about people belong to the dataset of people
m.yaml:29: sources.f.facts.over lacks `column`
m.yaml:29: unknown age `12`; expected one of `13`, `14`, `15`, `16`
m.yaml:29: unknown key `colum` in sources.f.facts.over; did you mean `column`?\
"""


def test_all_mistakes_are_told_at_once_with_lines_and_meanings(tmp_path: Path, policy_file: Path) -> None:
    """The author of a mapping sees every mistake in one run."""
    path = tmp_path / "m.yaml"
    path.write_text(MISTAKES)
    with pytest.raises(PolicyError) as error:
        load_mapping(path, load_policy(policy_file))
    assert str(error.value) == EXPECTED


def test_the_template_fits_the_policy_template(policy_file: Path, mapping_file: Path) -> None:
    """What `pacte init` writes is without mistakes, and names each kind of file."""
    mapping = load_mapping(mapping_file, load_policy(policy_file))
    assert set(mapping.sources) == {"customers", "orders", "choices", "legacy-list"}
    assert mapping.source_for(Path("in/customers-2026.csv")).dataset == "customers"
    assert mapping.source_for(Path("anything.csv"), "choices").choices


def test_a_file_that_no_source_or_several_fit_is_refused(tmp_path: Path, policy_file: Path) -> None:
    """Nothing is guessed about which source a file belongs to."""
    path = tmp_path / "m.yaml"
    body = "file: '*.csv', dataset: customers, fields: {customer_id: id}"
    path.write_text(f"mapping: 1\nsources:\n  one: {{{body}}}\n  two: {{{body}}}\n")
    mapping = load_mapping(path, load_policy(policy_file))
    with pytest.raises(BadInput, match="several sources"):
        mapping.source_for(Path("x.csv"))
    with pytest.raises(BadInput, match="no source"):
        mapping.source_for(Path("x.txt"))
    with pytest.raises(BadInput, match="did you mean `two`"):
        mapping.source_for(Path("x.csv"), "twoo")
