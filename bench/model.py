"""Ten million people on paper: what AWS charges, which limit is met first, and what then.

    python -m bench.model        reads build/bench.json, and build/scale.json where it is there

Units, calls and bytes are those measured by `bench.units` and `bench.scale`. Prices, quotas and
what is assumed stand in aws.json, each with its source or reason.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from chalicelib.store.keys.counts import FEED_SHARDS
from chalicelib.store.keys.key import SHARDS
from infra.build.bundle import ROOT

GOAL = 35
"""Dollars for a million decisions, all parts but mail."""

PEOPLE = (1_000, 100_000, 10_000_000)
MONTH_SECONDS = 30 * 24 * 3600
_MILLION = 1_000_000
_MONTHS = 12
_KEYS, _METRICS, _ALARMS = 3, 30, 5
_ROUNDS_A_MONTH = 30 * 24
_CATCH_UPS_A_MONTH = 30 * 24 * 12
_CATCH_UP_READS = 80
"""Read units of a round of every five minutes that finds nothing: each shard of what may wait."""

Parts = dict[str, float]


@dataclass(frozen=True, slots=True)
class Aws:
    """Prices, quotas and assumptions of aws.json, by name."""

    prices: Mapping[str, float]
    limits: Mapping[str, float]
    assumed: Mapping[str, float]
    memory: Mapping[str, int]

    @classmethod
    def read(cls) -> "Aws":
        """Read the file, and the functions' memory from .chalice/config.json."""
        stored = json.loads((Path(__file__).parent / "aws.json").read_text())
        config = json.loads((ROOT / ".chalice/config.json").read_text())
        functions = config["stages"]["portal"]["lambda_functions"]
        return cls(
            {name: each["usd"] / each["per"] for name, each in stored["prices"].items()},
            {name: each["value"] for name, each in stored["limits"].items()},
            {name: each["value"] for name, each in stored["assumptions"].items()},
            {name: each["lambda_memory_size"] for name, each in functions.items()},
        )

    def function_seconds(self, function: str, cpu_ms: float, waiting_ms: float) -> float:
        """Give how long a call of a function takes, by its time on a whole processor.

        With less memory than `full_cpu_mb` it has so much less of one.
        """
        share = min(1.0, self.memory[function] / self.assumed["full_cpu_mb"])
        return (cpu_ms / share + waiting_ms) / 1000

    def function_cost(self, function: str, seconds: float) -> float:
        """Give what one call of a function costs, in dollars."""
        gigabytes = self.memory[function] / 1024
        return self.prices["lambda_request"] + seconds * gigabytes * self.prices["lambda_gb_second"]


@dataclass(frozen=True, slots=True)
class Work:
    """What was measured of a decision, and of a status of a hundred.

    `stored` is the bytes that a decision leaves for good, `log` those it leaves in the log.
    """

    write: float
    read: float
    trips: int
    trips_behind: int
    kms: int
    mails: int
    stored: int
    log: int
    status_read: float
    status_trips: int
    hot: Mapping[str, float]
    """Write units of a decision in each of the sharded partitions, by the partition's name."""

    round_read: tuple[float, float] = (60.0, 0.0)
    """Read units of an hourly round: in any case, and for each person."""

    page_cpu_ms: float | None = None
    decision_cpu_ms: float | None = None
    kms_wrapped: int = 0
    """How often KMS is asked where a wrapped key signs."""

    def by_wrapped_key(self) -> "Work":
        """Give the same work where a wrapped key signs receipts."""
        return replace(self, kms=self.kms_wrapped)


def measured(bench: Mapping[str, Any], scale: Mapping[str, Any] | None, deed: str) -> Work:
    """Give what was measured, from build/bench.json and build/scale.json."""
    units = bench["units"]
    decision, status = units[deed], units["status of 100"]
    warm = bench.get("warm", {})
    lasting = ("RECEIPT#", "POINTER", "SIGNATURE#", "SEALED#", "LETTER#", "ROLL#", "CONTACT")
    stored = {
        item["key"]: item["bytes"]
        for item in decision["items"]
        if item["kind"] in {"Put", "Update"} and any(part in item["key"] for part in lasting)
    }
    return Work(
        write=decision["write"],
        read=decision["read_front"] + decision["read_behind"],
        trips=decision["round_trips"],
        trips_behind=decision["round_trips_behind"],
        kms=decision["kms"],
        mails=decision["mails"],
        stored=sum(stored.values()),
        log=decision["log_bytes"],
        status_read=status["read_front"],
        status_trips=status["round_trips"],
        hot=_hot(decision["items"]),
        round_read=_round_read(scale),
        page_cpu_ms=warm.get("page", {}).get("portal_ms"),
        decision_cpu_ms=warm.get("decision", {}).get("portal_ms"),
        kms_wrapped=decision.get("kms_wrapped", 0),
    )


_SHARDED = {
    "UNSENT#": "outbox",
    "#ROLL#": "list of people",
    "#FEED#": "feed of changes",
}


def _hot(items: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Add up the units of a decision in partitions that many decisions share."""
    found: dict[str, float] = {}
    for item in items:
        for part, name in _SHARDED.items():
            if part in item["key"].partition(" | ")[0]:
                found[name] = found.get(name, 0) + item["units"]
    return found


def _round_read(scale: Mapping[str, Any] | None) -> tuple[float, float]:
    """Give what an hourly round reads: in any case, and more for each person."""
    if scale is None:
        return 60.0, 0.0
    sizes = sorted(map(int, scale["people"]))
    first, last = sizes[0], sizes[-1]
    few, many = (
        scale["people"][str(size)]["deeds"]["housekeeping round"]["read"] for size in (first, last)
    )
    each = (many - few) / (last - first) if last > first else 0.0
    return float(few), max(0.0, each)


def decision_cost(work: Work, aws: Aws) -> Parts:
    """Give the dollars of a million decisions by part, mail aside: the form that is sent, and what
    follows it.
    """
    prices, assumed = aws.prices, aws.assumed
    front = front_seconds(work, aws)
    behind = behind_seconds(work, aws)
    log = work.log + 2 * assumed["log_bytes_of_lambda"]
    parts = {
        "table: writes": work.write * prices["write_unit"],
        "table: reads": work.read * prices["read_unit"],
        "signature": work.kms * prices["kms_asymmetric"],
        "API Gateway": prices["api_request"],
        "function of the pages": aws.function_cost("api_handler", front),
        "function behind the stream": aws.function_cost("after_receipt", behind),
        "log": log / 1e9 * prices["log_gb"],
    }
    return {name: cost * _MILLION for name, cost in parts.items()}


def page_cost(work: Work, aws: Aws) -> Parts:
    """Give the dollars of a million pages by part."""
    assumed, prices = aws.assumed, aws.prices
    cpu = work.page_cpu_ms or assumed["page_cpu_ms"]
    seconds = aws.function_seconds("api_handler", cpu, assumed["trip_ms"])
    parts = {
        "table": prices["read_unit"],
        "API Gateway": prices["api_request"],
        "function": aws.function_cost("api_handler", seconds),
        "log": assumed["log_bytes_a_request"] / 1e9 * prices["log_gb"],
        "sent": assumed["page_kb"] / 1e6 * prices["sent_gb"],
    }
    return {name: cost * _MILLION for name, cost in parts.items()}


def front_seconds(work: Work, aws: Aws) -> float:
    """Give how long a patient waits for the answer to a form, once a process is warm."""
    cpu = work.decision_cpu_ms or aws.assumed["decision_cpu_ms"]
    return aws.function_seconds("api_handler", cpu, work.trips * aws.assumed["trip_ms"])


def behind_seconds(work: Work, aws: Aws) -> float:
    """Give how long the stream's function is busy with one decision."""
    assumed = aws.assumed
    waiting = work.trips_behind * assumed["trip_ms"]
    waiting += work.kms * assumed["kms_ms"] + work.mails * assumed["mail_ms"]
    return aws.function_seconds("after_receipt", assumed["behind_cpu_ms"], waiting)


def month_cost(people: int, work: Work, aws: Aws) -> Parts:
    """Give the dollars of a month by part, at so many people."""
    assumed, prices = aws.assumed, aws.prices
    decisions = people * assumed["decisions_a_person_year"] / _MONTHS
    calls = math.ceil(people * assumed["status_a_person_year"] / _MONTHS / 100)
    status = (
        work.status_read * prices["read_unit"]
        + prices["write_unit"]
        + prices["api_request"]
        + aws.function_cost(
            "api_handler",
            aws.function_seconds("api_handler", 20, work.status_trips * assumed["trip_ms"]),
        )
    )
    fixed, each = work.round_read
    rounds = _ROUNDS_A_MONTH * (fixed + each * people) + _CATCH_UPS_A_MONTH * _CATCH_UP_READS
    gigabytes = stored_gb(people, work, aws)
    standing = _KEYS * prices["kms_key_month"] + _METRICS * prices["metric_month"]
    standing += _ALARMS * prices["alarm_month"]
    standing += aws.memory["api_handler"] / 1024 * MONTH_SECONDS * prices["snapshot_gb_second"]
    return {
        "decisions": decisions * sum(decision_cost(work, aws).values()) / _MILLION,
        "pages": decisions
        * assumed["pages_a_decision"]
        * sum(page_cost(work, aws).values())
        / _MILLION,
        "status": calls * status,
        "rounds": rounds * prices["read_unit"],
        "stored": gigabytes * (prices["stored_gb_month"] + prices["recovery_gb_month"]),
        "keys, metrics, alarms, snapshot": standing,
        "mail": decisions * assumed["mails_a_decision"] * prices["mail"],
    }


def stored_gb(people: int, work: Work, aws: Aws) -> float:
    """Give how many gigabytes the table holds when the first proofs are over."""
    kept = people * aws.assumed["decisions_a_person_year"] * aws.assumed["years_kept"]
    return kept * work.stored / 1e9


def busiest(people: int, aws: Aws) -> float:
    """Give the decisions in the busiest second."""
    a_year = people * aws.assumed["decisions_a_person_year"]
    return a_year / (_MONTHS * MONTH_SECONDS) * aws.assumed["busiest_second"]


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit as decisions in a second, with the people whose busiest second meets it."""

    name: str
    decisions: float
    then: str

    def people(self, aws: Aws) -> float:
        """Give how many people there are when the limit is met."""
        return self.decisions / busiest(1, aws)


def limits(people: int, work: Work, aws: Aws) -> list[Limit]:
    """Give every limit, the one met first first. `people` is for how large the table is."""
    quota, assumed = aws.limits, aws.assumed
    partitions = partitions_of(people, work, aws)
    day = 24 * 3600 / assumed["busiest_second"]
    found = [
        Limit(
            "mails a day (SES, and MAIL_DAILY)",
            quota["mails_a_day"] / assumed["mails_a_decision"] / day,
            "ask SES for more and raise MAIL_DAILY; what is over waits for the next morning",
        ),
        Limit(
            "mails a second (SES)",
            quota["mails_a_second"] / assumed["mails_a_decision"],
            "ask SES for more; until then mails wait in the outbox",
        ),
        Limit(
            "stream: one batch at a time in each shard",
            partitions / behind_seconds(work, aws),
            "ParallelizationFactor up to 10: nothing behind depends on the order",
        ),
        Limit(
            "signatures (KMS)",
            quota["kms_asymmetric"] / max(1, work.kms),
            "raise the quota; until then receipts wait to be signed, and nothing else",
        ),
        Limit(
            "writes of the table",
            quota["table_write_units"] / work.write,
            "raise the quota of the table, and its warm throughput before a campaign",
        ),
        Limit(
            "functions at once (Lambda)",
            quota["lambda_concurrency"] / (front_seconds(work, aws) + behind_seconds(work, aws)),
            "raise the quota",
        ),
        Limit(
            "requests (API Gateway)",
            quota["api_requests"] / (1 + assumed["pages_a_decision"]),
            "raise the quota",
        ),
    ]
    for name, units in work.hot.items():
        shards = FEED_SHARDS if name == "feed of changes" else len(SHARDS)
        one_clinic = name in {"feed of changes", "list of people"}
        share = assumed["clinic_share"] if one_clinic else 1.0
        found.append(
            Limit(
                f"busiest partitions: {name}",
                shards * quota["partition_write_units"] / units / share,
                "more shards" if not one_clinic else "more shards, or two clinics of the largest",
            )
        )
    return sorted(found, key=lambda limit: limit.decisions)


def partitions_of(people: int, work: Work, aws: Aws) -> int:
    """Give how many partitions the table has: by its size, by its writes, at least a new one's."""
    quota = aws.limits
    by_size = math.ceil(stored_gb(people, work, aws) / quota["partition_gb"])
    by_writes = math.ceil(busiest(people, aws) * work.write / quota["partition_write_units"])
    return max(int(quota["table_partitions"]), by_size, by_writes)


def letters_days(people: int, aws: Aws) -> float:
    """Give the days in which a MAJOR version's letters reach everybody, by SES's quota alone."""
    return people / aws.limits["mails_a_day"]


def run(bench: Mapping[str, Any], scale: Mapping[str, Any] | None) -> dict[str, Any]:
    """Work everything out, print it, and give it as written to build/model.json."""
    aws = Aws.read()
    works = {
        answers: measured(bench, scale, f"first decision, {answers}")
        for answers in ("1 answer", "8 answers")
    }
    work = works["1 answer"]
    found: dict[str, Any] = {
        "decision": {name: _with_sum(decision_cost(each, aws)) for name, each in works.items()},
        "decision_wrapped": {
            name: _with_sum(decision_cost(each.by_wrapped_key(), aws))
            for name, each in works.items()
        },
        "goal": GOAL,
        "page": _with_sum(page_cost(work, aws)),
        "month": {str(people): _with_sum(month_cost(people, work, aws)) for people in PEOPLE},
        "sizes": {
            str(people): {
                "gb": round(stored_gb(people, work, aws), 2),
                "partitions": partitions_of(people, work, aws),
                "busiest_second": round(busiest(people, aws), 2),
                "days_of_letters": round(letters_days(people, aws), 1),
            }
            for people in PEOPLE
        },
        "limits": [
            {
                "name": each.name,
                "decisions_a_second": round(each.decisions, 1),
                "people": round(each.people(aws)),
                "then": each.then,
            }
            for each in limits(PEOPLE[-1], work, aws)
        ],
        "front_ms": round(front_seconds(work, aws) * 1000),
        "behind_ms": round(behind_seconds(work, aws) * 1000),
    }
    _print(found)
    return found


def _with_sum(parts: Parts) -> Parts:
    return {
        **{name: round(cost, 2) for name, cost in parts.items()},
        "sum": round(sum(parts.values()), 2),
    }


def _print(found: Mapping[str, Any]) -> None:
    for answers, parts in found["decision"].items():
        print(f"  a million decisions of {answers}, mail aside: ${parts['sum']} (goal {GOAL})")
        for name, cost in parts.items():
            if name != "sum":
                print(f"      {name:<28} {cost:>7.2f}")
        print(f"      signed by a wrapped key: ${found['decision_wrapped'][answers]['sum']}")
    print(f"  a million pages: ${found['page']['sum']}")
    for people, parts in found["month"].items():
        size = found["sizes"][people]
        told = ", ".join(f"{name} {cost:,.2f}" for name, cost in parts.items() if name != "sum")
        print(f"  {int(people):>10,} people: ${parts['sum']:,.2f} a month ({told});")
        print(
            f"             {size['gb']} GB in {size['partitions']} partitions, {size['busiest_second']} "
            f"decisions in the busiest second, letters to all in {size['days_of_letters']} days"
        )
    for limit in found["limits"]:
        print(
            f"  {limit['name']:<44} {limit['decisions_a_second']:>9,.1f} decisions a second, "
            f"{limit['people']:>13,} people; then: {limit['then']}"
        )


def main() -> int:
    """Read what was measured, and write build/model.json."""
    build = ROOT / "build"
    if not (build / "bench.json").exists():
        print("Nothing is measured yet: run `python -m bench units` first.", file=sys.stderr)
        return 1
    bench = json.loads((build / "bench.json").read_text())
    counted = build / "scale.json"
    scale = json.loads(counted.read_text()) if counted.exists() else None
    found = run(bench, scale)
    (build / "model.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    print("written to build/model.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())
