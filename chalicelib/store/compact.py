"""Texts in few bytes: how people and receipts are stored, so that an item stays below a kilobyte.

A text is deflated (RFC 1950) with a preset dictionary of what most of them contain, because DynamoDB
charges a write by the kilobyte begun. One byte before it gives the number of the dictionary. A
dictionary that was ever used is never changed, or what it packed could not be read again: a better
one gets the next number.
"""

import json
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

_FIRST = (
    # A receipt, as canonical JSON (RFC 8785): what is rare, then what most of them say.
    '"controllers":[{"id":"","name":"SIA "UAB "VšĮ "},{"id":"AS "call":"form":"note":"shown":'
    '"witness":"effective_date":"2026-effective_until":"2026-T23:59:59.999Z"'
    '"actor":"staff:key_","assurance":"staff-witnessed","channel":"in-person","phone","letter",'
    '"kiosk","api","email","import","imported","paper",'
    '"evidence":{"_sd":["",""]},"evidence":{"confirms":"","code":true},'
    '"actor":"guardian","assurance":"contact-confirmed","channel":"email-link",'
    '"actor":"patient","assurance":"link","channel":"qr","source":"reception"'
    '"actor":"patient","assurance":"self-asserted","channel":"web","clinic":"'
    '","controllers":[{"id":"","name":""}],"decisions":{"'
    '"contests.data_sharing.research.photos.marketing.reminders.testimonials.text":{'
    '"after":"withdrawn","answer":"withdraw","before":"expired","superseded","confirm_by":null,'
    '"expires_at":"2027-"},"newsletter.sms":{"after":"refused","answer":"no","before":"granted",'
    '"confirm_by":null,"expires_at":null},"newsletter.email":{"after":"granted","answer":"yes",'
    '"before":"never_asked","confirm_by":null,"expires_at":null},"testimonials.photo":{'
    '"after":"pending","answer":"yes","before":"never_asked","confirm_by":"2026-12-0.000Z",'
    '"expires_at":null}},"effective_at":"2026-1","evidence":null,"expires_at":null,"id":"",'
    '"notice":{"lang":"lv","sha256":"","version":"1.0"},"previous":null,"recorded_at":"2026-",'
    '"source":null,"subject":"","version":1}\n'
    # A person (`Subject.stored`), and the summaries beside a receipt (`domain.stored_answers`).
    '"numbered":true,"restricted_since":26"proof_until":26"pointers":["of_age":'
    '{"id":"","salt":"","version":1,"head":"","base":"https://consent.","lang":"lt","ka","en",'
    '"ru","lv","proven_by":"","certain":true,"times":"26","latest":26,"recorded_at":26,'
    '"typed":[1],"contacts":[["",26,"reference",0],["",26,"phone",1],["",26,"email",0]],'
    '"page_starts":[["",26]],"answers":[[["",2,26,0,"1.0","lt","paper","staff-witnessed"],'
    '["",3,0,"1.1","ka","qr","contact-confirmed"],["",0,"2.0","ru","email-link","link"],'
    '["",1,2612,0,"1.0","en","web","link"],["",1,26,0,"1.0","lv","web","self-asserted"]],'
    '{"contests.":[[1,"w"],0,0,[0,"n"]],"data_sharing.":[[2,"w"],[0,"y",27],"testimonials.":'
    '[[3,"n"],"research":[[1,"y"],0,[1]],"newsletter.sms":[[0,"n"],0,0,[0,"n"]],'
    '"newsletter.email":[[0,"y"],0,[0]],"newsletter.email":[0,[0,"y",26]]}]}'
)

_DICTIONARIES: Mapping[int, bytes] = MappingProxyType({1: _FIRST.encode()})
_NEWEST = max(_DICTIONARIES)


def dump(value: Any) -> str:
    """Write a value as JSON without spaces, as the dictionary expects it."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def pack(text: str) -> bytes:
    """Write a text in few bytes; the same text always gives the same bytes."""
    deflate = zlib.compressobj(zlib.Z_BEST_COMPRESSION, zdict=_DICTIONARIES[_NEWEST])
    return bytes([_NEWEST]) + deflate.compress(text.encode()) + deflate.flush()


def unpack(packed: bytes) -> str:
    """Read a text that `pack` wrote; raise ValueError where it is damaged, or of a later version."""
    dictionary = _DICTIONARIES.get(packed[0]) if packed else None
    if dictionary is None:
        raise ValueError("no dictionary has this number")
    inflate = zlib.decompressobj(zdict=dictionary)
    try:
        text = inflate.decompress(packed[1:])
    except zlib.error as error:
        raise ValueError(str(error)) from error
    if not inflate.eof or inflate.unused_data:
        raise ValueError("it is cut off, or goes on behind its end")
    return text.decode()
