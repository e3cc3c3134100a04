"""Commands on notices: draft, approve, publish, preview, list, and who is to be asked again.

python -m infra publish infra/clinics/riga-aesthetics.yaml --author "Ieva Liepa" --approver "Juris Klusums"
python -m infra check infra/clinics/*.yaml
python -m infra notice draft my-clinic.yaml --author "Ieva Liepa"
python -m infra notice preview my-clinic 1.1
python -m infra notice approve my-clinic 1.1 --sha256 0123456789ab --approver "Juris Klusums"
python -m infra notice publish my-clinic 1.1 --preview
python -m infra notice publish my-clinic 1.1 --yes
python -m infra notice list my-clinic
python -m infra notice superseded my-clinic --purpose newsletter
"""

import argparse
import functools
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from chalicelib.domain.consent import QuestionId
from chalicelib.domain.instants import Instant, instant
from chalicelib.domain.notice_versions import Stage
from chalicelib.domain.subjects import Subject
from chalicelib.notices.document import InvalidDocumentError, read_names, warnings_of
from chalicelib.notices.edition import PublishedEdition, make_edition
from chalicelib.notices.impact import Preview, preview, superseded
from chalicelib.notices.workflow import (
    MAX_REASON,
    Draft,
    Person,
    ReviewError,
    VersionSummary,
    classify_change,
    is_reason,
    list_versions,
    new_draft,
)
from chalicelib.portal import Portal, get_portal
from chalicelib.presentation.authorities import authorities
from chalicelib.services.draft_preview import draft_page
from chalicelib.settings import SettingsError
from chalicelib.store import publishing
from chalicelib.store.clinics import UnknownClinicError
from chalicelib.store.people import iter_people
from chalicelib.store.publishing import Drafts, UnknownDraftError
from infra.operator.clinic_file import ClinicFile, FileError
from infra.operator.publish import (
    AT_THE_COMMAND_LINE,
    beyond_words,
    edition_of,
    in_words,
    publish,
    publish_draft,
    read_file,
)

PROGRESS_EVERY = 1000

Command = Callable[[argparse.Namespace], None]


def _in_words(command: Command) -> Command:
    """Say what stands in a command's way as a sentence."""

    @functools.wraps(command)
    def told(asked: argparse.Namespace) -> None:
        try:
            command(asked)
        except (InvalidDocumentError, ReviewError) as error:
            raise FileError(in_words(error)) from error
        except UnknownDraftError as error:
            raise FileError(f"{asked.clinic} has no draft {error}. `notice list` tells which there are") from error
        except UnknownClinicError as error:
            raise FileError(f"No clinic “{error}” is published") from error

    return told


@_in_words
def _publish(asked: argparse.Namespace) -> None:
    author, approver, portal = Person(asked.author), Person(asked.approver), get_portal()

    def look_over(draft: Draft, ready: PublishedEdition) -> None:
        _go_on(draft, ready, portal, yes=asked.yes)

    for ready in [read_file(path) for path in asked.files]:
        new = publish(
            ready,
            portal,
            _key_arn(),
            author=author,
            approver=approver,
            minor_reason=asked.minor_reason,
            look_over=look_over,
        )
        print(f"{ready.clinic.id} {ready.clinic.version}: {'published' if new else 'published already'}")
        _warn(ready.clinic.unconfirmed_reasons)


def _check(asked: argparse.Namespace) -> None:
    faulty = []
    for path in asked.files:
        try:
            file = ClinicFile.read(path)
            ready = edition_of(file)
        except FileError as error:
            faulty.append(str(error))
            continue
        clinic = ready.clinic
        print(f"{path}: {clinic.id} {clinic.version}, {', '.join(clinic.languages)}: ready to publish")
        _warn(clinic.unconfirmed_reasons)
        _warn_of(file)
        if asked.pages:
            _write_pages(ready, asked.pages)
    if faulty:
        raise FileError("\n".join(faulty))


def _warn_of(file: ClinicFile) -> None:
    """Name what is allowed and perhaps not meant."""
    for line in file.told(warnings_of(file.document, _now())):
        print(f"warning: {line}")


@_in_words
def _draft(asked: argparse.Namespace) -> None:
    file = ClinicFile.read(asked.file)
    file.unslipped()
    draft = new_draft(file.document, read_names(file.document)[0], Person(asked.author), _now())
    portal = get_portal()
    history = (
        ()
        if publishing.is_new(portal.clinics, draft.clinic)
        else portal.directory.look_up(draft.clinic).published.published
    )
    kind = classify_change(draft.version, history, _now())
    Drafts(portal.table).keep(draft)
    missing = draft.missing(authorities())
    print(f"{draft.clinic} {draft.version} ({kind}): drafted by {draft.author.name}, sha256 {draft.sha256}")
    _warn(draft.unconfirmed())
    _warn_of(file)
    if missing:
        print("It is not complete:", *file.told(missing), sep="\n  ")
        return
    if changes := beyond_words(make_edition(draft.document), portal, _now()):
        print("It changes more than words, so it needs a MAJOR number or a reason:", *changes, sep="\n  ")


@_in_words
def _show(asked: argparse.Namespace) -> None:
    draft = Drafts(get_portal().table).find(asked.clinic, asked.version)
    approver = draft.approval.by.name if draft.approval and draft.approved else None
    _write_pages(make_edition(draft.document), asked.to, approver)


def _write_pages(ready: PublishedEdition, folder: Path, approver: str | None = None) -> None:
    """Write how a version would look, a file a language, and tell where."""
    clinic = ready.clinic
    names = {lang: f"{clinic.id}-{clinic.version}-{lang}.html" for lang in clinic.languages}
    folder.mkdir(parents=True, exist_ok=True)
    for lang, name in names.items():
        page = draft_page(ready, lang, _now(), approver=approver, addresses=names)
        (folder / name).write_text(page, encoding="utf-8")
        print((folder / name).resolve().as_uri())
    print(f"sha256 {clinic.sha256}")


@_in_words
def _approve(asked: argparse.Namespace) -> None:
    drafts = Drafts(get_portal().table)
    draft = drafts.find(asked.clinic, asked.version)
    if not draft.sha256.startswith(asked.sha256):
        raise ReviewError("The draft is not the text that was read: its sha256 differs. Read it again")
    whole = not draft.missing(authorities())
    changes = beyond_words(make_edition(draft.document), get_portal(), _now()) if whole else ()
    approved = draft.approve(Person(asked.approver), _now(), authorities(), changes=changes, reason=asked.minor_reason)
    drafts.change(draft, approved)
    print(f"{draft.clinic} {draft.version}: approved by {asked.approver}, sha256 {draft.sha256}")
    _warn(draft.unconfirmed())


@_in_words
def _release(asked: argparse.Namespace) -> None:
    portal = get_portal()
    draft = Drafts(portal.table).find(asked.clinic, asked.version)
    ready = make_edition(draft.document)
    if asked.preview:
        classify_change(draft.version, portal.directory.look_up(asked.clinic).published.published, _now())
        print(_told(_previewed(draft, ready, portal)))
        return
    if draft.release is None:
        if not draft.approved:
            raise ReviewError(f"{draft.version} is not approved. Another person than its author must approve it first")
        _go_on(draft, ready, portal, yes=asked.yes)
    new = publish_draft(ready, draft, portal, _key_arn(), AT_THE_COMMAND_LINE)
    print(f"{draft.clinic} {draft.version}: {'published' if new else 'published already'}")


def _go_on(draft: Draft, ready: PublishedEdition, portal: Portal, *, yes: bool) -> None:
    """Show what a publication would do, and at a terminal ask whether to go on; raise FileError on a No.

    Nothing is shown of a clinic's first version, which ends and changes nothing.
    """
    if publishing.is_new(portal.clinics, draft.clinic):
        return
    print(_told(_previewed(draft, ready, portal)))
    if yes or not sys.stdin.isatty():
        return
    if input(f"Publish {draft.clinic} {draft.version}? [y/N] ").strip().lower() not in {"y", "yes"}:
        raise FileError(f"{draft.clinic} {draft.version}: not published")


def _previewed(draft: Draft, ready: PublishedEdition, portal: Portal) -> Preview:
    published = portal.directory.look_up(draft.clinic).published
    everybody = _counted(iter_people(portal.table, draft.clinic))
    seen = preview(everybody, published, ready.clinic, ready.starts, _now())
    return replace(
        seen,
        beyond_words=publishing.changes_beyond_words(portal.clinics, ready.clinic, published.published, seen.since),
        minor_reason=draft.override.reason if draft.override else None,
    )


@_in_words
def _list(asked: argparse.Namespace) -> None:
    portal, now = get_portal(), _now()
    drafts = Drafts(portal.table).all(asked.clinic)
    new = publishing.is_new(portal.clinics, asked.clinic)
    if new and not drafts:
        raise UnknownClinicError(asked.clinic)
    history = () if new else portal.directory.look_up(asked.clinic).published.published
    for step in list_versions(history, drafts, now):
        names = f"by {step.author or 'unknown'}, approved by {step.approver or 'nobody'}"
        print(step.version, step.state, _when(step), names, sep="\t")


@_in_words
def _superseded(asked: argparse.Namespace) -> None:
    portal = get_portal()
    published = portal.directory.look_up(asked.clinic).published
    wanted = asked.purpose
    everybody = _counted(iter_people(portal.table, asked.clinic))
    for person, address, since in superseded(everybody, published.in_force, _now()):
        if not wanted or address == wanted or address.startswith(f"{wanted}."):
            print(person.id, address, since, sep="\t")


def _warn(unconfirmed: Mapping[QuestionId, str]) -> None:
    """Name what counts without a confirmation that otherwise would need one, and why: who approves agrees to it."""
    for address, reason in unconfirmed.items():
        print(f"warning: a Yes to {address} counts unconfirmed: {reason}")


def _when(step: VersionSummary) -> str:
    if step.state is Stage.OVERTAKEN:
        return "never in force"
    return f"in force from {step.since}" if step.since else f"effective {step.effective or 'unknown'}"


def _told(seen: Preview) -> str:
    lines = [f"{seen.change} change, in force from {seen.since}"]
    lines.append(f"supersedes {sum(seen.supersedes.values())} consents of {seen.people} people")
    lines += [f"  {address}\t{count}" for address, count in sorted(seen.supersedes.items())]
    lines += [f"asked from then on: {address}" for address in seen.appear]
    lines += [f"no longer asked: {address}" for address in seen.disappear]
    lines += [f"differs from what is in force: {part}" for part in seen.changed]
    lines += [f"changes more than words: {each}" for each in seen.beyond_words]
    if seen.minor_reason:
        lines.append(f"a MINOR all the same, for this reason: {seen.minor_reason}")
    lines += [f"never begins: {version}, which is scheduled" for version in seen.overtakes]
    return "\n".join(lines)


def _counted(everybody: Iterator[Subject]) -> Iterator[Subject]:
    """Pass people on and show on the terminal how many have been looked at."""
    number = 0
    for number, person in enumerate(everybody, start=1):
        yield person
        if number % PROGRESS_EVERY == 0:
            print(f"{number} people looked at …", file=sys.stderr, flush=True)
    print(f"{number} people looked at.", file=sys.stderr)


def _now() -> Instant:
    return instant(datetime.now(UTC))


def _key_arn() -> str:
    if not os.environ.get("CLINIC_KEY_ARN"):
        raise SettingsError("CLINIC_KEY_ARN is not set")
    return os.environ["CLINIC_KEY_ARN"]


def _name(typed: str) -> str:
    if not typed.strip():
        raise argparse.ArgumentTypeError("a person's name is needed")
    return typed.strip()


def _reason(typed: str) -> str | None:
    if not typed.strip():  # make publish passes what it was given, or nothing
        return None
    if not is_reason(typed):
        raise argparse.ArgumentTypeError(f"write one line of at most {MAX_REASON} characters")
    return typed.strip()


def _fingerprint(typed: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{12,64}", typed.strip().lower()):
        raise argparse.ArgumentTypeError("give the sha256 that `notice draft` printed, or its first 12 digits at least")
    return typed.strip().lower()


def add_commands(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add these commands to the command line."""
    files = commands.add_parser("publish", help="publish clinics' files that another person than the author reviewed")
    files.add_argument("files", nargs="+", type=Path, metavar="FILE")
    files.add_argument("--author", required=True, type=_name, help="who wrote them")
    files.add_argument("--approver", required=True, type=_name, help="who reviewed and approved them; not the author")
    _add_reason(files)
    _add_yes(files)
    files.set_defaults(run=_publish)
    check = commands.add_parser("check", help="check clinics' files and publish nothing")
    check.add_argument("files", nargs="+", type=Path, metavar="FILE")
    check.add_argument("--pages", type=Path, metavar="FOLDER", help="write how each would look, a page a language")
    check.set_defaults(run=_check)
    notice = commands.add_parser("notice", help="notice versions, step by step").add_subparsers(required=True)
    draft = notice.add_parser("draft", help="keep a file as a draft, complete or not")
    draft.add_argument("file", type=Path, metavar="FILE")
    draft.add_argument("--author", required=True, type=_name, help="who wrote it")
    draft.set_defaults(run=_draft)
    show = _of_version(notice, "preview", "write a draft as patients would see it, a page a language", _show)
    show.add_argument("--to", type=Path, default=Path("build/preview"), metavar="FOLDER", help="where; %(default)s")
    approve = _of_version(notice, "approve", "approve a draft, as another person than its author", _approve)
    approve.add_argument("--approver", required=True, type=_name, help="who reviewed it; not the author")
    told = "of the text that was reviewed, as `notice draft` printed it; 12 digits of it are enough"
    approve.add_argument("--sha256", required=True, type=_fingerprint, help=told)
    _add_reason(approve)
    release = _of_version(
        notice, "publish", "show what publishing an approved draft does, ask, and publish it", _release
    )
    _add_yes(release)
    release.add_argument("--preview", action="store_true", help="tell what it would do, and publish nothing")
    listed = notice.add_parser("list", help="list a clinic's versions and drafts")
    listed.add_argument("clinic")
    listed.set_defaults(run=_list)
    ended = notice.add_parser("superseded", help="list who is to be asked again: subject id, decision, since when")
    ended.add_argument("clinic")
    ended.add_argument("--purpose", help="only this purpose or decision")
    ended.set_defaults(run=_superseded)


def _add_reason(command: argparse.ArgumentParser) -> None:
    told = "the approver's reason why a version that changes more than words may stay a MINOR; it is published with it"
    command.add_argument("--minor-reason", type=_reason, metavar="WHY", help=told)


def _add_yes(command: argparse.ArgumentParser) -> None:
    command.add_argument("--yes", action="store_true", help="do not ask whether to go on; without a terminal none asks")


def _of_version(
    notice: "argparse._SubParsersAction[argparse.ArgumentParser]", name: str, told: str, run: Command
) -> argparse.ArgumentParser:
    command = notice.add_parser(name, help=told)
    command.add_argument("clinic")
    command.add_argument("version")
    command.set_defaults(run=run)
    return command
