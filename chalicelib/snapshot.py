"""SnapStart: what is made ready before Lambda takes a snapshot of the pages' function, and what must
differ between the processes that it restores from there.

Lambda's runtime calls both (`snapshot_restore_py`), from Python 3.12 on and where SnapStart is
switched on; a process that starts cold calls neither. What a process holds, and why it may be in a
snapshot or not: docs/decisions/0023-snapstart.md.
"""

import contextlib
import gc
import importlib
import os
import pkgutil
import random
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from itertools import islice
from typing import Any

import chalicelib
from chalicelib import log
from chalicelib.domain.errors import PortalError, ServiceUnavailableError
from chalicelib.portal import Portal

CLINICS = 20
"""Of how many clinics the pages are rendered before the snapshot: those of others are rendered when
they are asked for, as after a cold start."""

NO_CLINIC = "-"
"""An address that is no clinic's. It is visited too, so that its page is ready."""

LIBRARIES = (
    "babel.dates",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.hashes",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "email_validator",
    "encodings.utf_16_be",
    "joserfc.jws",
    "multipart",
    "phonenumbers",
    "qrcode.image.pure",
    "qrcode.image.svg",
    "zoneinfo",
)
"""What a cold start leaves until a request needs it, beside our own modules."""

_SEED_BYTES = 32

Event = Mapping[str, Any]
Application = Callable[[Event, None], Any]
"""What answers events of API Gateway."""


def register(app: Application, portal: Portal) -> None:
    """Let Lambda call what stands here before a snapshot and after each restore."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415
    except ModuleNotFoundError:  # Lambda has it from Python 3.12 on
        return
    register_before_snapshot(make_ready, app, portal)
    register_after_restore(become_another)


def make_ready(app: Application, portal: Portal) -> None:
    """Load every module, show each page once, and forget what no restored process may have.

    Reads the table; keeps the pages there as every first visit does. Nothing of it is needed: where
    the table cannot be read, the snapshot is taken all the same, and the log says so.
    """
    for module in pkgutil.walk_packages(chalicelib.__path__, "chalicelib."):
        importlib.import_module(module.name)
    for library in LIBRARIES:
        importlib.import_module(library)
    try:
        with portal.clinics.with_throwaway_keys(), portal.shown_pages.rendering_anew():
            for event in _visits(portal):
                app(event, None)
    except PortalError as error:
        log.log().warning("not ready for the snapshot", error=type(error).__name__)
    with contextlib.suppress(ServiceUnavailableError):
        # Refused, as it must be: what was not wrapped by KMS it does not unwrap.
        portal.kms.unwrap(NO_CLINIC, NO_CLINIC.encode())
    _let_go(portal)
    # A restored process that looked for garbage would fetch every page of the snapshot.
    gc.collect()
    gc.freeze()


def become_another() -> None:
    """Give a restored process randomness of its own.

    `secrets` and `os.urandom` ask the kernel, which Lambda gives other entropy at each restore.
    `random` and the library behind TLS go on from what was in memory: they begin anew.
    """
    import ssl  # noqa: PLC0415 - loaded by then; no cold start waits for it

    random.seed()
    ssl.RAND_add(os.urandom(_SEED_BYTES), _SEED_BYTES)


def _let_go(portal: Portal) -> None:
    """Close every connection, and let the next request read the function's credentials anew."""
    from botocore.credentials import RefreshableCredentials  # noqa: PLC0415 - as above

    for client in (portal.table.client, portal.kms.client):
        client.close()
    credentials = portal.table.session.get_credentials()
    if isinstance(credentials, RefreshableCredentials):
        credentials._expiry_time = datetime.fromtimestamp(0, UTC)  # noqa: SLF001 - botocore offers no public way


def _visits(portal: Portal) -> Iterator[Event]:
    """Give a visit to each page that asks for a decision, in each language of its clinic.

    And one to what is not there: it has the portal's own colours, as answers without a clinic do.
    """
    clinics = list(islice(portal.clinics.all(), CLINICS))
    for clinic in clinics:
        languages = portal.directory.look_up(clinic).published.clinic.languages
        for language in languages:
            yield _visit(f"/{clinic}", language)
            yield _visit(f"/{clinic}/withdraw", language)
    yield _visit(f"/{NO_CLINIC}", "en")


def _visit(path: str, language: str) -> Event:
    """Give the event of API Gateway (payload 1.0) for a browser's request."""
    return {
        "resource": path,
        "path": path,
        "httpMethod": "GET",
        "headers": {"Accept": "text/html", "Accept-Language": language},
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "httpMethod": "GET",
            "identity": {"sourceIp": "127.0.0.1"},
            "path": path,
            "requestId": "snapshot",
            "resourcePath": path,
        },
        "body": None,
        "isBase64Encoded": False,
    }
