"""The arithmetic of what AWS charges and of its limits, on figures that can be worked out by hand."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from bench import model
from bench.model import Aws, Limit, Work

WORK = Work(
    write=30,
    read=10,
    trips=2,
    trips_behind=5,
    kms=1,
    mails=1,
    stored=3_000,
    log=1_300,
    status_read=110,
    status_trips=3,
    hot={"outbox": 4},
)


@pytest.fixture
def aws() -> Aws:
    """Give prices and quotas that are easy to reckon with."""
    read = Aws.read()
    prices = {**read.prices, "write_unit": 1e-6, "read_unit": 1e-7, "kms_asymmetric": 15e-6}
    prices |= {"lambda_request": 2e-7, "lambda_gb_second": 2e-5, "api_request": 3.5e-6}
    assumed = {**read.assumed, "trip_ms": 10, "kms_ms": 20, "mail_ms": 60, "full_cpu_mb": 2048}
    assumed |= {"decision_cpu_ms": 5, "behind_cpu_ms": 5, "decisions_a_person_year": 1.2}
    assumed |= {"years_kept": 2, "busiest_second": 10, "mails_a_decision": 1, "clinic_share": 0.5}
    memory = {**read.memory, "api_handler": 1024, "after_receipt": 512}
    return Aws(prices, read.limits, assumed, memory)


def test_a_decision_costs_its_units_calls_and_seconds(aws: Aws) -> None:
    """Each part is what was measured times its price."""
    parts = model.decision_cost(WORK, aws)
    assert parts["table: writes"] == pytest.approx(30)
    assert parts["table: reads"] == pytest.approx(1)
    assert parts["signature"] == pytest.approx(15)
    assert parts["API Gateway"] == pytest.approx(3.5)
    assert parts["log"] == pytest.approx(2_000 * 0.57 / 1e3)  # 350 bytes of each call are Lambda's
    # 5 ms of a processor are 10 ms at half of one, and two round trips 20 ms: 30 ms at 1 GB
    assert parts["function of the pages"] == pytest.approx(0.2 + 0.030 * 20)
    # 5 ms are 20 ms at a quarter; five round trips 50 ms, a signature 20, a mail 60: at half a GB
    assert parts["function behind the stream"] == pytest.approx(0.2 + 0.150 / 2 * 20)


def test_the_table_grows_by_what_is_kept(aws: Aws) -> None:
    """A million people, 1.2 decisions a year, for two years, of 3,000 bytes: 7.2 GB."""
    assert model.stored_gb(1_000_000, WORK, aws) == pytest.approx(7.2)
    assert model.partitions_of(1_000, WORK, aws) == 4
    assert model.partitions_of(10_000_000, WORK, aws) == 8


def test_the_busiest_second_is_a_multiple_of_the_average(aws: Aws) -> None:
    """25.92 million people decide once a second on average, and ten times at the busiest."""
    assert model.busiest(25_920_000, aws) == pytest.approx(10)


def test_the_limit_met_first_comes_first(aws: Aws) -> None:
    """What an operator has to raise first stands first."""
    found = model.limits(10_000_000, WORK, aws)
    allowed = [limit.decisions for limit in found]
    assert allowed == sorted(allowed)
    by_name = {limit.name: limit.decisions for limit in found}
    assert by_name["signatures (KMS)"] == 300
    assert by_name["writes of the table"] == pytest.approx(40_000 / 30)
    assert by_name["stream: one batch at a time in each shard"] == pytest.approx(8 / 0.150)
    assert by_name["busiest partitions: outbox"] == pytest.approx(16 * 1000 / 4)
    assert found[0].name.startswith("mails a day")


def test_a_wrapped_key_saves_what_kms_takes_for_signing(aws: Aws) -> None:
    """Whoever chooses sees what it is about: 15 dollars a million, and the wait for KMS."""
    wrapped = WORK.by_wrapped_key()
    by_kms, other = model.decision_cost(WORK, aws), model.decision_cost(wrapped, aws)
    assert (by_kms["signature"], other["signature"]) == (pytest.approx(15), 0)
    assert model.behind_seconds(WORK, aws) > model.behind_seconds(wrapped, aws)
    same = set(by_kms) - {"signature", "function behind the stream"}
    assert all(by_kms[name] == other[name] for name in same)


def test_a_limit_in_people_follows_from_the_busiest_second(aws: Aws) -> None:
    """Twice the decisions in a second are met by twice the people."""
    once, twice = Limit("a", 10, ""), Limit("b", 20, "")
    assert once.people(aws) == pytest.approx(25_920_000)
    assert twice.people(aws) == pytest.approx(2 * once.people(aws))


def test_a_round_that_reads_everybody_costs_by_everybody(aws: Aws) -> None:
    """A round that grows with people is seen in the month's sum."""
    flat = model.month_cost(1_000_000, WORK, aws)["rounds"]
    grown = model.month_cost(1_000_000, replace(WORK, round_read=(60.0, 0.25)), aws)["rounds"]
    assert grown - flat == pytest.approx(720 * 250_000 * 1e-7)


def test_what_was_measured_is_read_from_the_benchmarks() -> None:
    """Sums of units, calls, lasting bytes and hot partitions come from build/bench.json."""
    item = {"where": "front", "kind": "Put", "bytes": 700, "units": 2}
    receipt = {**item, "key": "CLINIC#clinic#SUBJECT#id | RECEIPT#n"}
    waiting = {**item, "key": "UNSENT#a | clinic#id"}
    decision = {
        "write": 4,
        "read_front": 9,
        "read_behind": 1,
        "round_trips": 2,
        "round_trips_behind": 6,
        "kms": 1,
        "mails": 1,
        "log_bytes": 1_300,
        "items": [receipt, waiting],
    }
    status = {"read_front": 111, "round_trips": 3}
    bench = {"units": {"decision": decision, "status of 100": status}}
    deeds = {"housekeeping round": {"read": 50}}, {"housekeeping round": {"read": 300}}
    scale = {"people": {"0": {"deeds": deeds[0]}, "1000": {"deeds": deeds[1]}}}
    work = model.measured(bench, scale, "decision")
    assert (work.write, work.read, work.kms, work.stored) == (4, 10, 1, 700)
    assert work.hot == {"outbox": 2}
    assert work.round_read == (50, 0.25)


def test_every_price_names_its_source_and_every_assumption_its_reason() -> None:
    """A figure that nobody can look up is no basis of a budget."""
    stored = json.loads((Path(model.__file__).parent / "aws.json").read_text())
    for each in (*stored["prices"].values(), *stored["limits"].values()):
        assert each["source"]
    for each in stored["assumptions"].values():
        assert each["why"]
