"""Every kind of job that is offered, by its name in the API."""

from collections.abc import Mapping

from chalicelib.services.job_export import EXPORT
from chalicelib.services.job_import import IMPORT
from chalicelib.services.job_kinds import JobKind
from chalicelib.services.job_links import LINKS
from chalicelib.services.job_scrub import SCRUB

KINDS: Mapping[str, JobKind] = {"export": EXPORT, "import": IMPORT, "links": LINKS, "scrub": SCRUB}
