"""HL7's definitions of FHIR R5 and of the code systems, and a validator that works by them (npm
`fhir`).
"""

import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from infra.build import tools

Resource = Mapping[str, Any]
Message = Mapping[str, str]

_KINDS = ("StructureDefinition-", "ValueSet-", "CodeSystem-")


@cache
def definitions() -> Mapping[str, Resource]:
    """Give every structure, value set and code system by its canonical address."""
    found: dict[str, Resource] = {}
    for archive in tools.fhir_definitions():
        with tarfile.open(archive) as packed:
            for member in packed:
                name = Path(member.name).name
                if (
                    name.startswith(_KINDS)
                    and name.endswith(".json")
                    and (content := packed.extractfile(member))
                ):
                    resource = json.load(content)
                    found.setdefault(resource["url"], resource)
    return found


@cache
def needed_for_r5() -> Sequence[Resource]:
    """Give what the validator needs to know of R5: every type, the Consent, and what they are bound
    to.
    """
    known = definitions()
    structures = [
        each
        for each in known.values()
        if each["resourceType"] == "StructureDefinition"
        and each.get("derivation") != "constraint"
        and (each["kind"] in {"complex-type", "primitive-type"} or each["id"] == "Consent")
    ]
    bound = {
        element["binding"]["valueSet"].partition("|")[0]
        for each in structures
        for element in each["snapshot"]["element"]
        if "valueSet" in element.get("binding", {})
    }
    sets = [known[url] for url in sorted(bound & known.keys())]
    systems = {
        include["system"]
        for each in sets
        for include in each["compose"]["include"]
        if "system" in include
    }
    return [*(known[url] for url in sorted(systems & known.keys())), *sets, *structures]


def validate(**resources: Sequence[Resource]) -> Mapping[str, Sequence[Sequence[Message]]]:
    """Give what the validator says of each resource: ``validate(r4=[…], r5=[…])``."""
    told = subprocess.run(
        [
            "node",
            str(Path(__file__).with_name("fhir_validator.js")),
            str(tools.fhir_validator_folder()),
        ],
        input=json.dumps({"r5": needed_for_r5(), "resources": resources}),
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    said: Mapping[str, Sequence[Sequence[Message]]] = json.loads(told)
    return said


def codings(resource: object) -> Iterator[Resource]:
    """Give every coding anywhere in a resource."""
    if isinstance(resource, dict):
        if {"system", "code"} <= resource.keys():
            yield resource
        for each in resource.values():
            yield from codings(each)
    elif isinstance(resource, list):
        for each in resource:
            yield from codings(each)


@cache
def displays(system: str) -> Mapping[str, str]:
    """Give the codes of a code system with what they are called; none for a system HL7 does not
    have.
    """

    def walk(concepts: Sequence[Resource]) -> Iterator[tuple[str, str]]:
        for concept in concepts:
            yield concept["code"], concept.get("display", "")
            yield from walk(concept.get("concept", []))

    return dict(walk(definitions().get(system, {}).get("concept", [])))
