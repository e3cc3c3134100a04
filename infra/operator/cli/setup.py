"""Commands that choose a portal: login, logout, profiles, and completion in the shell."""

import sys
from dataclasses import replace
from typing import Any

import click
from click.shell_completion import get_completion_class

from infra.operator.cli.command import Work, command, group, in_a_terminal
from infra.operator.cli.errors import CommandError, NotAllowedError, ProblemError
from infra.operator.cli.output import Output
from infra.operator.cli.portal import Portal
from infra.operator.cli.profiles import (
    Profile,
    Profiles,
    choose_profile,
    normal_url,
    profiles_file,
    valid_name,
)


@command(
    "login",
    example="consent login https://consent.example.org/api/riga-aesthetics",
)
@click.argument("url")
@click.option("--name", metavar="NAME", help="Name of the profile; the clinic's id otherwise.")
@click.option("--key-stdin", is_flag=True, help="Read the key from stdin, for scripts.")
@click.pass_obj
def login(work: Work, *, url: str, name: str | None, key_stdin: bool) -> None:
    """Remember a portal, a clinic and a key of it.

    URL is the portal's address, or the address of the clinic's page on it. The key is asked
    for and not shown; it is never an argument, which would stand in the shell's history. It is
    tried, then kept in a file that only you can read.
    """
    address, clinic = _split(normal_url(url), work.clinic, work)
    key = _ask_for_key(clinic, from_stdin=key_stdin)
    profile = Profile(address, clinic, key)
    _try_key(profile, work)
    chosen = name or clinic
    if not valid_name(chosen):
        raise CommandError(f"“{chosen}” is no name for a profile: letters, digits, dots, hyphens.")
    known = Profiles.load()
    known.named[chosen] = profile
    known.current = chosen
    known.save()
    work.output.say(f"Logged in to {profile.host} for {clinic}, as profile “{chosen}”.", "green")


def _split(url: str, clinic: str | None, work: Work) -> tuple[str, str]:
    """Return the portal's address and the clinic's id; the id may be the address's last word.

    Raise CommandError where no portal answers there.
    """
    if clinic:
        _require_portal(url, work)
        return url, clinic
    base, _, last = url.rpartition("/")
    if base.count("/") >= len("//") and _is_portal(base, work):
        return base, last
    _require_portal(url, work)
    if not in_a_terminal():
        raise click.UsageError("Which clinic? Add --clinic ID, or give the clinic's page as URL.")
    asked: str = click.prompt("Clinic", err=True).strip()
    return url, asked


def _is_portal(url: str, work: Work) -> bool:
    try:
        _require_portal(url, work)
    except CommandError as error:
        if error.code == error.code.UNAVAILABLE:
            raise
        return False
    return True


def _require_portal(url: str, work: Work) -> None:
    health: Any = Portal.of(Profile(url), work.output.say).get("/health")
    if not isinstance(health, dict) or "status" not in health:
        raise CommandError(f"No consent portal answers at {url}.")


def _ask_for_key(clinic: str, *, from_stdin: bool) -> str:
    if from_stdin or not in_a_terminal():
        key = sys.stdin.readline().strip()
    else:
        key = click.prompt(f"Key of {clinic} (not shown)", hide_input=True, err=True).strip()
    if not key:
        raise NotAllowedError("No key was given.")
    return str(key)


def _try_key(profile: Profile, work: Work) -> None:
    """Raise CommandError unless the key is one of the clinic; what it may do is not asked.

    An empty question is refused by whichever of the two comes first: the key, or the question.
    """
    portal = Portal.of(profile, work.output.say)
    try:
        portal.post(portal.clinic_path("status"), {})
    except ProblemError as refused:
        if refused.status in {403, 422}:
            return
        if refused.status == 404:  # noqa: PLR2004 - HTTP's own number
            message = f"This key is of another clinic than {profile.clinic}, or there is none."
            raise NotAllowedError(message) from None
        raise


@command("logout", example="consent logout --profile riga-aesthetics", common=True)
@click.pass_obj
def logout(work: Work) -> None:
    """Forget a profile and its key; the key itself stays valid.

    Without --profile it is the current one. `consent key revoke` ends a key.
    """
    known = Profiles.load()
    name = work.profile or known.current
    if not name:
        raise CommandError("There is no profile to forget.")
    known.find(name)
    del known.named[name]
    if known.current == name:
        known.current = ""
    known.save()
    work.output.say(f"Forgot the profile “{name}” and its key.")


@group("profile")
def profile() -> None:
    """List profiles and choose the current one."""


@profile.subcommand("list", example="consent profile list")
@click.pass_obj
def list_profiles(work: Work) -> None:
    """List the profiles; keys are not shown."""
    known = Profiles.load()
    found = []
    for name, each in sorted(known.named.items()):
        current = name == known.current
        found.append({"name": name, "current": current, "url": each.url, "clinic": each.clinic})
    work.show({"file": str(profiles_file()), "profiles": found}, _print_profiles)


def _print_profiles(output: Output, value: Any) -> None:
    rows = [
        ("*" if each["current"] else "", each["name"], each["clinic"], each["url"])
        for each in value["profiles"]
    ]
    output.table(("", "Name", "Clinic", "Portal"), rows)


@profile.subcommand("show", example="consent profile show")
@click.pass_obj
def show_profile(work: Work) -> None:
    """Show which portal and clinic commands use here."""
    chosen = choose_profile(work.profile, work.clinic, work.demo)
    value = {"url": chosen.url, "clinic": chosen.clinic or None, "has_key": bool(chosen.key)}
    work.show(value, lambda output, facts: output.facts(facts))


@profile.subcommand("use", example="consent profile use riga-aesthetics")
@click.argument("name")
@click.pass_obj
def use_profile(work: Work, *, name: str) -> None:
    """Make a profile the current one."""
    known = Profiles.load()
    known.find(name)
    replace(known, current=name).save()
    work.output.say(f"Commands use the profile “{name}” now.")


@command(
    "completion",
    example="""
    consent completion bash >> ~/.bashrc
    consent completion zsh >> ~/.zshrc
    consent completion fish > ~/.config/fish/completions/consent.fish
    """,
    common=False,
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print what lets a shell complete commands and options."""
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"No completion is known for {shell}.")
    root = context.find_root().command
    click.echo(kind(root, {}, "consent", "_CONSENT_COMPLETE").source())
