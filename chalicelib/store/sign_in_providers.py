"""Where a clinic's own accounts sign in, in the table; the portal's secret there is sealed."""

from collections.abc import Iterator

from chalicelib.domain.sign_in_providers import SignInProvider
from chalicelib.store.encryption import ClinicKey
from chalicelib.store.keys.desk import sign_in_provider_key
from chalicelib.store.keys.key import Key
from chalicelib.store.table import Table
from chalicelib.store.writes import Put

_SEALED = "sign-in-provider"


def keep(table: Table, key: ClinicKey, provider: SignInProvider, secret: str) -> None:
    """Keep a clinic's provider in the place of the one before."""
    sealed = key.encrypt(_SEALED, provider.salt, _what(provider), secret)
    values = {"body": provider.stored(), "blob": sealed}
    table.put(Put(sign_in_provider_key(provider.clinic), values))


def remove(table: Table, clinic: str) -> None:
    """Forget a clinic's provider: its accounts sign in no more."""
    table.put(Put(sign_in_provider_key(clinic), {"body": ""}))


def find(table: Table, clinic: str) -> tuple[SignInProvider, bytes] | None:
    """Give a clinic's provider and the sealed secret; None where it has none."""
    place = sign_in_provider_key(clinic)
    found = table.get([place]).get(place)
    if found is None or not found.body:
        return None
    return SignInProvider.read(clinic, found.body), bytes(found.blob or b"")


def secret_of(key: ClinicKey, provider: SignInProvider, sealed: bytes) -> str:
    """Give the portal's secret at a provider; raise ValueError where it is damaged."""
    return key.decrypt(_SEALED, provider.salt, _what(provider), sealed)


def encrypted_values(
    table: Table, clinic: str
) -> Iterator[tuple[Key, bytes, tuple[str, str, str]]]:
    """Give what is encrypted of a clinic's provider: where it stands, and what for."""
    if found := find(table, clinic):
        provider, sealed = found
        yield sign_in_provider_key(clinic), sealed, (_SEALED, provider.salt, _what(provider))


def _what(provider: SignInProvider) -> str:
    return f"{_SEALED}#{provider.issuer}#{provider.client_id}"
