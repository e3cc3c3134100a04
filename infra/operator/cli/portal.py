"""The portal's API over HTTP: one call at a time, tried again while the portal is busy.

A call that is sent again is safe: those that ask change nothing, those that write carry an
`Idempotency-Key` or may be repeated as they are. The bearer key stands in one header and in no message.
"""

import random
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from urllib.parse import quote

import requests
from requests.auth import AuthBase

from infra.operator.cli.errors import CommandError, NotAllowedError, ProblemError, UnavailableError
from infra.operator.cli.profiles import Profile

TRIES = 5
CONNECT_SECONDS = 10
READ_SECONDS = 60
LONGEST_WAIT = 60.0
"""How many seconds are waited before one more try, whatever `Retry-After` says."""

_FIRST_WAIT = 0.5
_BUSY = {429, 500, 502, 503, 504}

Say = Callable[[str], None]
"""Tells the user something in words."""

PlaceOf = Callable[[str], str | None]
"""Gives the place in the user's own file for a JSON pointer (RFC 6901) into what was sent."""


def own_version() -> str:
    """Return the command's version; in a checkout it has none."""
    try:
        return version("consent-portal")
    except PackageNotFoundError:
        return "checkout"


@dataclass(frozen=True, slots=True)
class Portal:
    """The API of one portal for one clinic."""

    profile: Profile
    session: requests.Session
    say: Say
    sleep: Callable[[float], None] = time.sleep

    @classmethod
    def of(cls, profile: Profile, say: Say) -> "Portal":
        """Return a portal's API; nothing is sent yet."""
        session = requests.Session()
        session.auth = _Bearer(profile.key)
        session.headers["User-Agent"] = f"consent/{own_version()}"
        return cls(profile, session, say)

    def clinic_path(self, *parts: str) -> str:
        """Return the path of a call of the clinic; raise CommandError where none is chosen."""
        if not self.profile.clinic:
            raise CommandError("No clinic is chosen. Add --clinic ID, or run `consent login`.")
        return "/v1/clinics/" + "/".join(quote(part, safe="") for part in (self._clinic(), *parts))

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> Any:
        """GET a JSON document."""
        return _json(self.call("GET", path, query=query))

    def post(
        self,
        path: str,
        body: Any,
        *,
        query: Mapping[str, Any] | None = None,
        idempotency_key: str | None = None,
        place_of: PlaceOf | None = None,
    ) -> Any:
        """POST a JSON document and return the answer's; `place_of` as for `call`."""
        headers = {"Idempotency-Key": idempotency_key or str(uuid.uuid4())}
        answer = self.call("POST", path, json=body, headers=headers, query=query, place_of=place_of)
        return _json(answer)

    def pages(
        self, path: str, query: Mapping[str, Any], member: str, *, limit: int | None = None
    ) -> Iterator[Any]:
        """Yield the entries of a list that comes in pages, at most `limit`."""
        asked = dict(query)
        given = 0
        while True:
            page = self.get(path, asked)
            for entry in page[member]:
                if limit is not None and given >= limit:
                    return
                given += 1
                yield entry
            if not page.get("cursor"):
                return
            asked["cursor"] = page["cursor"]

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        data: bytes | None = None,
        place_of: PlaceOf | None = None,
    ) -> requests.Response:
        """Send a call, again while the portal is busy; return an answer below 400.

        Raise ProblemError for another answer and UnavailableError where none comes. `place_of`
        turns the pointers of a problem into places of the user's file.
        """
        url = self.profile.url + path
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        for tried in range(1, TRIES + 1):
            try:
                answer = self.session.request(
                    method,
                    url,
                    params=asked,
                    headers=dict(headers or {}),
                    json=json,
                    data=data,
                    timeout=(CONNECT_SECONDS, READ_SECONDS),
                    allow_redirects=False,
                )
            except requests.exceptions.SSLError:
                message = f"{self.profile.host} has no certificate that this machine trusts."
                raise UnavailableError(message) from None
            except requests.exceptions.RequestException as error:
                if tried == TRIES:
                    raise UnavailableError(self._unreachable(error)) from None
                self._wait(tried, None, f"{self.profile.host} does not answer")
                continue
            retry_after = answer.headers.get("Retry-After")
            not_yet = answer.status_code == HTTPStatus.CONFLICT and retry_after is not None
            if (answer.status_code in _BUSY or not_yet) and tried < TRIES:
                told = "Not ready yet" if not_yet else f"{self.profile.host} is busy"
                self._wait(tried, retry_after, f"{told} ({answer.status_code})")
                continue
            return self._checked(answer, place_of)
        raise AssertionError("the last try returns or raises")

    def _clinic(self) -> str:
        if not self.profile.key:
            remedy = "Run `consent login URL`, or set CONSENT_KEY"
            raise NotAllowedError(f"There is no key for {self.profile.clinic}. {remedy}.")
        return self.profile.clinic

    def _checked(self, answer: requests.Response, place_of: PlaceOf | None) -> requests.Response:
        if answer.is_redirect:
            raise CommandError(
                f"The portal has moved to {answer.headers.get('Location')}. "
                "Run `consent login` with its new address."
            )
        if answer.status_code >= HTTPStatus.BAD_REQUEST:
            raise problem_of(answer, place_of)
        return answer

    def _wait(self, tried: int, retry_after: str | None, told: str) -> None:
        seconds = seconds_to_wait(tried, retry_after)
        self.say(f"{told}; trying again in {seconds:.0f} s …" if seconds >= 1 else f"{told} …")
        self.sleep(seconds)

    def _unreachable(self, error: Exception) -> str:
        reason = "in time" if isinstance(error, requests.exceptions.Timeout) else "at all"
        return f"{self.profile.host} does not answer {reason}. Check the address and the network."


def seconds_to_wait(tried: int, retry_after: str | None) -> float:
    """Return how long to wait after try number `tried`: `Retry-After` (RFC 9110, 10.2.3), or
    twice as long each time, with jitter, so that many programs do not come back together.
    """
    seconds: float = _FIRST_WAIT * 2.0 ** (tried - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - no secret
    if retry_after is not None:
        try:
            seconds = float(retry_after)
        except ValueError:
            seconds = _until(retry_after, seconds)
    return max(0.0, min(seconds, LONGEST_WAIT))


def _until(date: str, otherwise: float) -> float:
    try:
        wait: timedelta = parsedate_to_datetime(date) - datetime.now(UTC)
        return wait.total_seconds()
    except (ValueError, TypeError):
        return otherwise


def problem_of(answer: requests.Response, place_of: PlaceOf | None = None) -> ProblemError:
    """Return the error for an answer of 400 or above, in sentences."""
    try:
        problem: Any = answer.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    reason = answer.reason or "no reason given"
    title = str(problem.get("title") or f"The portal answers {answer.status_code} ({reason})")
    detail = str(problem.get("detail") or "")
    lines = [f"{title.rstrip('.')}. {detail}".strip()]
    for name in ("errors", "missing", "beyond_words"):
        faults = problem.get(name) or ()
        lines += [f"  {_fault_in_words(fault, place_of)}" for fault in faults]
    return ProblemError(answer.status_code, problem or {"title": title}, lines)


def _fault_in_words(fault: Any, place_of: PlaceOf | None) -> str:
    """Return one fault that a problem lists, with its place: a line, a pointer, or a field."""
    if not isinstance(fault, Mapping):
        return str(fault)
    pointer = fault.get("pointer", fault.get("place", fault.get("part", "")))
    place = (place_of(str(pointer)) if place_of else None) or str(pointer)
    if "line" in fault:
        place = f"line {fault['line']}"
    words = [
        str(fault[name]) for name in ("detail", "problem", "reason", "remedy") if fault.get(name)
    ]
    told = ". ".join(word.rstrip(".") for word in words) or str(dict(fault))
    return f"{place}: {told}." if place else f"{told}."


def _json(answer: requests.Response) -> Any:
    if answer.status_code == HTTPStatus.NO_CONTENT or not answer.content:
        return None
    try:
        return answer.json()
    except ValueError:
        remedy = "Is the address that of a consent portal?"
        raise CommandError(f"{answer.url} answers no JSON. {remedy}") from None


class _Bearer(AuthBase):
    """Puts the key in the header; with it requests takes no password from ~/.netrc instead."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request
