"""Commands on notices: check, draft, preview, approve, publish, list, and whom to ask again.

consent operator publish my-clinic.yaml --author "Ieva Liepa" --approver "Juris Klusums"
consent operator check infra/clinics/*.yaml
consent operator notice draft my-clinic.yaml --author "Ieva Liepa"
consent operator notice preview my-clinic 1.1
consent operator notice approve my-clinic 1.1 --sha256 0123456789ab --approver "Juris Klusums"
consent operator notice publish my-clinic 1.1 --preview
consent operator notice publish my-clinic 1.1 --yes
consent operator notice list my-clinic
consent operator notice superseded my-clinic --purpose newsletter
"""

import argparse
import functools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.notice_versions import PublishedVersion, Stage
from chalicelib.notices.document import InvalidDocumentError, read_names, warnings_of
from chalicelib.notices.edition import PublishedEdition, make_edition
from chalicelib.notices.impact import superseded
from chalicelib.notices.workflow import (
    Change,
    Draft,
    Person,
    ReviewError,
    VersionSummary,
    classify_change,
    list_versions,
    new_draft,
)
from chalicelib.portal import Portal, get_portal, system_clock
from chalicelib.presentation.authorities import authorities
from chalicelib.services.draft_preview import draft_page
from chalicelib.store import consent_counts, publishing
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.people import iter_people
from chalicelib.store.publishing import Drafts, UnknownDraftError
from infra.operator.arguments import (
    Commands,
    add_clinic,
    add_command,
    add_group,
    key_arn,
    no_such_clinic,
)
from infra.operator.cli.clinic_file import ClinicFile, FileError
from infra.operator.notice_arguments import (
    add_approver,
    add_author,
    add_reason,
    add_version,
    add_yes,
    fingerprint,
)
from infra.operator.notice_impact import confirm, impact_of, print_impact, with_progress
from infra.operator.publish import (
    AT_THE_COMMAND_LINE,
    beyond_words,
    edition_of,
    in_words,
    publish,
    publish_draft,
    read_file,
)

Command = Callable[[argparse.Namespace], None]


def _explains_errors(command: Command) -> Command:
    """Turn the errors of a command's services into a FileError with a sentence for the operator."""

    @functools.wraps(command)
    def explained(arguments: argparse.Namespace) -> None:
        try:
            command(arguments)
        except (InvalidDocumentError, ReviewError) as error:
            raise FileError(in_words(error)) from error
        except UnknownDraftError as error:
            message = (
                f"{arguments.clinic} has no draft {error}. `notice list` shows which there are"
            )
            raise FileError(message) from error
        except UnknownClinicError as error:
            raise no_such_clinic(str(error)) from error

    return explained


@_explains_errors
def _publish(arguments: argparse.Namespace) -> None:
    portal = get_portal()

    def ask(draft: Draft, ready: PublishedEdition) -> None:
        confirm(draft, ready, portal, yes=arguments.yes)

    editions = [read_file(path) for path in arguments.files]
    for ready in editions:
        new = publish(
            ready,
            portal,
            key_arn(),
            author=Person(arguments.author),
            approver=Person(arguments.approver),
            minor_reason=arguments.minor_reason,
            confirm=ask,
        )
        _print_published(ready.clinic.id, ready.clinic.version, new=new)
        _warn_unconfirmed(ready.clinic.unconfirmed_reasons)


def _print_published(clinic: str, version: str, *, new: bool) -> None:
    print(f"{clinic} {version}: {'published' if new else 'published already'}")


def _check(arguments: argparse.Namespace) -> None:
    errors = []
    for path in arguments.files:
        try:
            _check_file(path, arguments.pages)
        except FileError as error:
            errors.append(str(error))
    if errors:
        raise FileError("\n".join(errors))


def _check_file(path: Path, pages: Path | None) -> None:
    file = ClinicFile.read(path)
    ready = edition_of(file)
    clinic = ready.clinic
    languages = ", ".join(clinic.languages)
    print(f"{path}: {clinic.id} {clinic.version}, {languages}: ready to publish")
    _warn_unconfirmed(clinic.unconfirmed_reasons)
    _warn_doubtful(file)
    if pages:
        _write_pages(ready, pages)


def _warn_doubtful(file: ClinicFile) -> None:
    """Print a warning for everything that is allowed, but probably a mistake."""
    for line in file.report(warnings_of(file.document, system_clock())):
        print(f"warning: {line}")


@_explains_errors
def _draft(arguments: argparse.Namespace) -> None:
    file = ClinicFile.read(arguments.file)
    file.refuse_slips()
    clinic = read_names(file.document)[0]
    portal = get_portal()
    draft = new_draft(file.document, clinic, Person(arguments.author), portal.clock())
    kind = classify_change(draft.version, _history(portal, draft.clinic), portal.clock())
    asks = [consent_counts.ask_anew(clinic, portal.clock())] if kind is Change.MAJOR else []
    Drafts(portal.table).keep(draft, asks)
    author = draft.author.name
    print(f"{draft.clinic} {draft.version} ({kind}): drafted by {author}, sha256 {draft.sha256}")
    _warn_unconfirmed(draft.unconfirmed())
    _warn_doubtful(file)
    missing = draft.missing(authorities())
    if missing:
        print("It is not complete:", *file.report(missing), sep="\n  ")
        return
    changes = beyond_words(make_edition(draft.document), portal, portal.clock())
    if changes:
        advice = "It changes more than words, so it needs a MAJOR number or a reason:"
        print(advice, *changes, sep="\n  ")


def _history(portal: Portal, clinic: str) -> Sequence[PublishedVersion]:
    """Return the published versions of a clinic; none where it is new."""
    if publishing.is_new(portal.clinics, clinic):
        return ()
    return portal.directory.look_up(clinic).published.published


@_explains_errors
def _preview(arguments: argparse.Namespace) -> None:
    draft = Drafts(get_portal().table).find(arguments.clinic, arguments.version)
    approver = draft.approval.by.name if draft.approval and draft.approved else None
    _write_pages(make_edition(draft.document), arguments.to, approver)


def _write_pages(ready: PublishedEdition, folder: Path, approver: str | None = None) -> None:
    """Write a version's pages as patients would see them, a file per language; print where."""
    clinic = ready.clinic
    names = {lang: f"{clinic.id}-{clinic.version}-{lang}.html" for lang in clinic.languages}
    folder.mkdir(parents=True, exist_ok=True)
    for lang, name in names.items():
        page = draft_page(ready, lang, system_clock(), approver=approver, addresses=names)
        path = folder / name
        path.write_text(page, encoding="utf-8")
        print(path.resolve().as_uri())
    print(f"sha256 {clinic.sha256}")


@_explains_errors
def _approve(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    drafts = Drafts(portal.table)
    draft = drafts.find(arguments.clinic, arguments.version)
    if not draft.sha256.startswith(arguments.sha256):
        reason = "The draft is not the text that was read: its sha256 differs"
        raise ReviewError(f"{reason}. Read it again")
    complete = not draft.missing(authorities())
    changes = beyond_words(make_edition(draft.document), portal, portal.clock()) if complete else ()
    approved = draft.approve(
        Person(arguments.approver),
        portal.clock(),
        authorities(),
        changes=changes,
        reason=arguments.minor_reason,
    )
    drafts.change(draft, approved)
    approver = arguments.approver
    print(f"{draft.clinic} {draft.version}: approved by {approver}, sha256 {draft.sha256}")
    _warn_unconfirmed(draft.unconfirmed())


@_explains_errors
def _publish_approved(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    draft = Drafts(portal.table).find(arguments.clinic, arguments.version)
    ready = make_edition(draft.document)
    if arguments.preview:
        history = portal.directory.look_up(arguments.clinic).published.published
        classify_change(draft.version, history, portal.clock())
        print_impact(impact_of(draft, ready, portal))
        return
    if draft.release is None:
        draft.require_approved()
        confirm(draft, ready, portal, yes=arguments.yes)
    new = publish_draft(ready, draft, portal, key_arn(), AT_THE_COMMAND_LINE)
    _print_published(draft.clinic, draft.version, new=new)


@_explains_errors
def _list(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    clinic = arguments.clinic
    drafts = Drafts(portal.table).all(clinic)
    if not drafts and publishing.is_new(portal.clinics, clinic):
        raise UnknownClinicError(clinic)
    for version in list_versions(_history(portal, clinic), drafts, portal.clock()):
        author, approver = version.author or "unknown", version.approver or "nobody"
        names = f"by {author}, approved by {approver}"
        print(version.version, version.state, _when(version), names, sep="\t")


@_explains_errors
def _superseded(arguments: argparse.Namespace) -> None:
    portal = get_portal()
    published = portal.directory.look_up(arguments.clinic).published
    everybody = with_progress(iter_people(portal.table, arguments.clinic))
    for person, question, since in superseded(everybody, published.in_force, portal.clock()):
        if not arguments.purpose or _belongs_to(question, arguments.purpose):
            print(person.id, question, since, sep="\t")


def _belongs_to(question: QuestionId, purpose: str) -> bool:
    """Return whether a question is the one named, or of the purpose named."""
    return question == purpose or question.startswith(f"{purpose}.")


def _warn_unconfirmed(unconfirmed: Mapping[QuestionId, str]) -> None:
    """Print which answers count without a confirmation, and the author's reason for each.

    Whoever approves the notice agrees to these.
    """
    for question, reason in unconfirmed.items():
        print(f"warning: a Yes to {question} counts unconfirmed: {reason}")


def _when(version: VersionSummary) -> str:
    if version.state is Stage.OVERTAKEN:
        return "never in force"
    if version.since:
        return f"in force from {version.since}"
    return f"effective {version.effective or 'unknown'}"


def add_to(commands: Commands) -> None:
    """Add the commands to a parser's commands."""
    _add_publish(commands)
    _add_check(commands)
    notice = add_group(commands, "notice", "draft, preview, approve and publish a notice in steps")
    _add_draft(notice)
    _add_preview(notice)
    _add_approve(notice)
    _add_publish_approved(notice)
    add_clinic(add_command(notice, "list", "list the versions and drafts of a clinic", _list))
    _add_superseded(notice)


def _add_publish(commands: Commands) -> None:
    purpose = "publish clinics' files that another person than the author has reviewed"
    command = add_command(commands, "publish", purpose, _publish)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a clinic's YAML file")
    add_author(command)
    add_approver(command)
    add_reason(command)
    add_yes(command)


def _add_check(commands: Commands) -> None:
    purpose = "check clinics' files and publish nothing"
    command = add_command(commands, "check", purpose, _check)
    command.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a clinic's YAML file")
    command.add_argument(
        "--pages",
        type=Path,
        metavar="FOLDER",
        help="write there the pages as patients would see them, a file per language",
    )


def _add_draft(notice: Commands) -> None:
    purpose = "store a clinic's file as a draft, complete or not"
    command = add_command(notice, "draft", purpose, _draft)
    command.add_argument("file", type=Path, metavar="FILE", help="the clinic's YAML file")
    add_author(command)


def _add_preview(notice: Commands) -> None:
    purpose = "write the pages of a draft as patients would see them, a file per language"
    command = add_command(notice, "preview", purpose, _preview)
    add_version(command)
    command.add_argument(
        "--to",
        type=Path,
        default=Path("build/preview"),
        metavar="FOLDER",
        help="the folder to write to; default: %(default)s",
    )


def _add_approve(notice: Commands) -> None:
    purpose = "approve a draft, as another person than its author"
    command = add_command(notice, "approve", purpose, _approve)
    add_version(command)
    add_approver(command)
    command.add_argument(
        "--sha256",
        required=True,
        type=fingerprint,
        help="of the text that was reviewed, as `notice draft` printed it; 12 digits are enough",
    )
    add_reason(command)


def _add_publish_approved(notice: Commands) -> None:
    purpose = "show what publishing an approved draft changes, ask, and publish it"
    command = add_command(notice, "publish", purpose, _publish_approved)
    add_version(command)
    add_yes(command)
    command.add_argument(
        "--preview", action="store_true", help="only show what it would change; publish nothing"
    )


def _add_superseded(notice: Commands) -> None:
    purpose = "list who is to be asked again: id of the person, question, since when"
    command = add_command(notice, "superseded", purpose, _superseded)
    add_clinic(command)
    command.add_argument("--purpose", help="only this purpose or question, such as newsletter")
