"""The portal: table, keys, clinics and clock, made once per process from the settings."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import TYPE_CHECKING

from chalicelib.domain.instants import Instant, instant
from chalicelib.presentation.page import build_id
from chalicelib.settings import BY_KMS, Settings, read_settings
from chalicelib.store.aws import AwsClients
from chalicelib.store.clinics import Clinics
from chalicelib.store.encryption import Kms
from chalicelib.store.shown_pages import ShownPages
from chalicelib.store.table import Table

if TYPE_CHECKING:
    from chalicelib.messages.transports import AwsTransport
    from chalicelib.presentation.press import Press
    from chalicelib.store.lookup import Directory
    from chalicelib.store.rate_limits import RateLimits
    from chalicelib.store.receipts import Receipts
    from chalicelib.store.signer import Signer


def system_clock() -> Instant:
    """Give the time by the machine's clock."""
    return instant(datetime.now(UTC))


@dataclass(frozen=True)
class Portal:
    """Everything a route may need; what the first page does without is made when it is asked
    for.
    """

    settings: Settings
    table: Table
    kms: Kms
    clinics: Clinics
    shown_pages: ShownPages
    aws: AwsClients
    """Every other service; the function that serves pages asks for those of jobs alone."""

    post: "AwsTransport | None" = None
    clock: Callable[[], Instant] = system_clock
    keys_seen: set[tuple[str, str]] = field(default_factory=set, repr=False)
    """Each clinic with the digest of a bearer key that opened it in this process
    (`web.api.auth`).
    """

    sleep: Callable[[float], None] = time.sleep
    """How a decision waits, in seconds, before it is tried again."""

    @cached_property
    def signer(self) -> "Signer | None":
        """Signs receipts and the days of the audit; None where no key is named."""
        if self.settings.signing == BY_KMS:
            return self.certifier
        from chalicelib.store.wrapped_signer import WrappedSigner  # noqa: PLC0415 - no page signs a receipt

        return WrappedSigner(self.table, self.kms, self.settings.clinic_key)

    @cached_property
    def certifier(self) -> "Signer | None":
        """Signs certificates of lists; None where no key is named.

        It is KMS wherever receipts are signed: the function of the pages holds no private key.
        """
        if not self.settings.signing_key:
            return None
        from chalicelib.store.kms_signer import KmsSigner  # noqa: PLC0415 - no page signs anything

        return KmsSigner(self.kms, self.settings.signing_key)

    @cached_property
    def press(self) -> "Press":
        """Sets papers as PDF: the function that the settings name, else this process."""
        if self.settings.press_function:
            from chalicelib.store.press_function import PressFunction  # noqa: PLC0415 - no page is printed

            return PressFunction(self.aws, self.settings.press_function)
        from chalicelib.presentation.press import PressInProcess  # noqa: PLC0415 - as above

        return PressInProcess()

    @cached_property
    def directory(self) -> "Directory":
        """Finds the people who are known under contacts."""
        from chalicelib.store.lookup import Directory  # noqa: PLC0415 - the first page looks nobody up

        return Directory(self.table, self.clinics, self.limits)

    @cached_property
    def receipts(self) -> "Receipts":
        """Finds receipts."""
        from chalicelib.store.receipts import Receipts  # noqa: PLC0415 - the first page shows none

        return Receipts(self.table)

    @cached_property
    def limits(self) -> "RateLimits":
        """The token buckets of public posts, and what this process took of them in advance."""
        from chalicelib.domain.rate_limits import clinic_limit  # noqa: PLC0415 - a page takes no tokens
        from chalicelib.store.rate_limits import RateLimits  # noqa: PLC0415 - as above

        return RateLimits(self.table, clinic_limit(self.settings.clinic_posts_per_second))


@cache
def get_portal() -> Portal:
    """Give the process's portal, made on first use."""
    settings = read_settings(os.environ)
    table = Table(settings.table, region=settings.region)
    kms = Kms(table.session, settings.region)
    aws = AwsClients(table.session, settings.region)
    clinics = Clinics(table, kms)
    return Portal(
        settings,
        table,
        kms,
        clinics,
        ShownPages(clinics, build=build_id()),
        aws,
        _post(aws, settings),
    )


def _post(aws: AwsClients, settings: Settings) -> "AwsTransport | None":
    if not settings.mail_from:
        return None
    from chalicelib.messages.transports import AwsTransport  # noqa: PLC0415 - the function that serves pages sends nothing

    return AwsTransport(
        aws,
        mail_from=settings.mail_from,
        configuration=settings.mail_configuration,
        sms_sender=settings.sms_sender,
    )


def warm() -> Portal:
    """Give the portal, with the clients that a page needs made now and not in a first request."""
    made = get_portal()
    _ = made.table.client, made.kms.client
    return made
