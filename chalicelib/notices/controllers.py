"""Who answers for the data, in a clinic's document: controllers and data protection contact.

GDPR Art. 13(1)(a) and (b) ask a notice to name them.
"""

import re
from collections.abc import Mapping
from typing import Any

from chalicelib.domain.clinic import Controller
from chalicelib.notices.duties import Duty
from chalicelib.notices.fields import FieldReader, describe

CONTROLLER_KEYS = "id name registration address email phone lead"

ID = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
"""The form of the id of a clinic or a controller."""


def read_controllers(reader: FieldReader, value: object, address: Duty) -> tuple[Controller, ...]:
    """Read the controllers; where there are several, exactly one leads (GDPR Art. 26)."""
    items = reader.items("controllers", value)
    controllers = tuple(_controller(reader, *item, address=address) for item in items)
    leading = [controller for controller in controllers if controller.lead]
    if len(controllers) > 1 and len(leading) != 1:
        problem, remedy = "several, and not exactly one leads", "Write `lead: true` on one of them"
        reader.fault("controllers", problem, remedy)
    reader.controllers = tuple(controller.id for controller in controllers)
    reader.check_distinct("controllers", reader.controllers)
    return controllers


def _controller(
    reader: FieldReader, place: str, value: Mapping[str, Any], *, address: Duty
) -> Controller:
    reader.known_keys(place, value, CONTROLLER_KEYS)
    contact = _contact(reader, place, value)
    remedy = "Use lower-case words joined by hyphens"
    return Controller(
        id=reader.matching(f"{place}.id", value.get("id"), ID, remedy),
        name=reader.line(f"{place}.name", value.get("name")),
        address=reader.line(f"{place}.address", value.get("address"), required=address.due),
        email=contact.get("email", ""),
        phone=contact.get("phone", ""),
        registration=reader.line(
            f"{place}.registration", value.get("registration"), required=False
        ),
        lead=value.get("lead") is True,
    )


def _contact(reader: FieldReader, place: str, value: Mapping[str, Any]) -> Mapping[str, str]:
    """Read how to reach somebody: `name`, `email`, `phone`, of which e-mail or phone is due."""
    if not value.get("email") and not value.get("phone"):
        reader.fault(place, "has no contact", "Write `email:` or `phone:`")
    contact = {}
    for key in ("name", "email", "phone"):
        if key in value:
            contact[key] = reader.line(f"{place}.{key}", value[key])
    return contact


def read_dpo(reader: FieldReader, value: Mapping[str, Any], dpo_duty: Duty) -> Mapping[str, str]:
    """Read the data protection contact; empty where the clinic says why the law asks for none."""
    has_dpo = value.get("has_dpo")
    if has_dpo is not None and not isinstance(has_dpo, bool):
        remedy = "Write false where there is none, or leave it out"
        reader.fault("has_dpo", describe(has_dpo), remedy)
    patients = _patients_per_year(reader, value.get("patients_per_year"))
    contact = value.get("dpo")
    if contact is None:
        _check_missing_dpo(reader, dpo_duty, patients, denied=has_dpo is False)
        return {}
    if has_dpo is False:
        reader.fault("has_dpo", "is false, and a contact is named", "Leave out one of the two")
    return _contact(reader, "dpo", reader.mapping("dpo", contact))


def _patients_per_year(reader: FieldReader, value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool) and value > 0:
        return value
    if value is not None:
        remedy = "Write a number without quotes, such as 4000"
        reader.fault("patients_per_year", describe(value), remedy)
    return None


def _check_missing_dpo(
    reader: FieldReader, dpo_duty: Duty, patients: int | None, *, denied: bool
) -> None:
    """Note that a contact is missing, unless the law asks such a clinic for none."""
    problem = "is missing"
    remedy = "Write `dpo:` with `name:` and `email:` or `phone:` below it"
    threshold = dpo_duty.from_patients
    if threshold is None:
        if denied:
            return
        remedy = f"{remedy}, or `has_dpo: false` where the law asks for none"
    elif patients is None:
        remedy = f"{remedy}, or `patients_per_year:` where fewer than {threshold} come in a year"
    elif patients < threshold:
        return
    else:
        problem = f"is missing, and is due from {threshold} patients a year"
    reader.fault("dpo", problem, remedy, dpo_duty.article)
