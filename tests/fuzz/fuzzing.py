"""Schemathesis against the portal: requests drawn from the OpenAPI document, answers held to it.

What is drawn follows from the seed. Whatever a run finds names the request by which it is found
again.
"""

import copy
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import schemathesis
from schemathesis.config import SchemathesisConfig
from schemathesis.core.failures import Failure
from schemathesis.engine import events, from_schema
from schemathesis.engine.recorder import ScenarioRecorder
from schemathesis.schemas import BaseSchema

METHODS = ["GET", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]
"""What an address is tried with beside its own; API Gateway passes on no others."""

REFUSED_FOR_WHAT_IT_MEANS = [400, 401, 403, 404, 406, 409, 422, 429]
"""What a request of the right form may be answered: no schema knows a clinic's purposes, whether a
moment is over, which cursor a list gave, that a key was used before, what a format cannot say."""


@dataclass(frozen=True, slots=True)
class Victim:
    """The clinic that is asked, with a key that may do everything, and two that are done away with:
    one is revoked again and again, the other gets new secrets.
    """

    clinic: str
    key: str
    revoked: str
    rotated: str


@dataclass
class Report:
    """What a run did: how many requests by status, and what is wrong, each once."""

    statuses: Counter[int] = field(default_factory=Counter)
    operations: set[str] = field(default_factory=set)
    faults: dict[str, str] = field(default_factory=dict)
    """The request by which each was found."""

    broken: list[str] = field(default_factory=list)
    """What kept Schemathesis from testing something."""

    @property
    def cases(self) -> int:
        """How many requests were sent."""
        return self.statuses.total()

    def add(self, other: "Report") -> None:
        """Take over what another run did."""
        self.statuses += other.statuses
        self.operations |= other.operations
        self.faults |= other.faults
        self.broken += other.broken

    def take(self, recorder: ScenarioRecorder) -> None:
        """Count the requests of a scenario, and keep what they found."""
        self.operations.add(recorder.label)
        for interaction in recorder.interactions.values():
            if interaction.response is not None:
                self.statuses[interaction.response.status_code] += 1
        for checks in recorder.checks.values():
            for check in checks:
                found = check.failure_info
                if found is not None:
                    name = f"{recorder.label}: {check.name}: {_in_a_line(found.failure)}"
                    self.faults.setdefault(name, found.code_sample)


def described(
    document: Mapping[str, Any],
    address: str,
    victim: Victim,
    *,
    seed: int,
    examples: int,
    stateful: bool = True,
) -> BaseSchema:
    """Read a document of the portal that is served below an address, and how it is to be tried.

    `examples` is how many requests are drawn for each call beside those that follow from the
    document: its examples, the edges of every schema, each member left out or of another type.
    `stateful` calls one after the other with what the call before gave.
    """
    settings: dict[str, Any] = {
        "base-url": address,
        "seed": seed,
        "headers": {"Authorization": f"Bearer {victim.key}"},
        "parameters": {"path.clinic": victim.clinic},
        "continue-on-failure": True,
        "generation": {"max-examples": examples, "no-shrink": True, "database": "none"},
        "phases": {
            "coverage": {"unexpected-methods": METHODS},
            "stateful": {"enabled": stateful},
        },
        "checks": {
            "positive_data_acceptance": {
                "expected-statuses": ["2xx", "3xx", *REFUSED_FOR_WHAT_IT_MEANS]
            }
        },
        "operations": [
            # A page leaves aside what it does not know in an address or a form, rather than turn
            # a patient away.
            {
                "include-tag-regex": "pages$",
                "checks": {"negative_data_rejection": {"enabled": False}},
            },
            # A run that revokes its own key would try nothing any more.
            {"include-operation-id": "revokeKey", "parameters": {"path.key": victim.revoked}},
            {"include-operation-id": "rotateKey", "parameters": {"path.key": victim.rotated}},
        ],
    }
    config = SchemathesisConfig.from_dict(settings)
    # It writes into the document that it is given, which other tests read too.
    return schemathesis.openapi.from_dict(copy.deepcopy(dict(document)), config=config)


def only(document: Mapping[str, Any], wanted: Callable[[str, str, Any], bool]) -> dict[str, Any]:
    """Give the document with the calls that are wanted alone: by address, method and description.

    Schemathesis' own filters leave nothing out where single calls have settings.
    """
    paths: dict[str, Any] = {}
    for path, methods in document["paths"].items():
        kept = {name: each for name, each in methods.items() if wanted(path, name, each)}
        if kept:
            paths[path] = kept
    return {**document, "paths": paths}


def run(schema: BaseSchema) -> Report:
    """Go through all phases of Schemathesis, with every check it has."""
    report = Report()
    for event in from_schema(schema).execute():
        match event:
            case events.ScenarioFinished():
                report.take(event.recorder)
            case events.NonFatalError():
                report.broken.append(f"{event.label}: {event.value}")
            case events.FatalError():
                raise event.exception
    return report


def _in_a_line(failure: Failure) -> str:
    first, _, _ = failure.message.strip().partition("\n")
    return f"{failure.title}. {first}"
