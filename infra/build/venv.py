"""Makes the project's Python environment, .venv, from the pinned requirements, unless it is there.

It is run by the machine's own `python3` with nothing installed. So it uses only the standard
library, and only syntax that an old Python can read, which then reports that it is too old.
"""

import hashlib
import os
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
STAMP = os.path.join(VENV, "requirements.sha256")
OLDEST, NEWEST = (3, 11), (3, 13)


def report(text):
    """Print a line on the terminal at once."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def suitable_python():
    """Return a Python that Lambda has too: this one, one on the path, or None."""
    if OLDEST <= sys.version_info[:2] <= NEWEST:
        return sys.executable
    for minor in range(NEWEST[1], OLDEST[1] - 1, -1):
        found = shutil.which("python3.%d" % minor)
        if found:
            return found
    return None


def wanted():
    """Return a hash of what the environment is made from."""
    digest = hashlib.sha256()
    for name in ("requirements.txt", "requirements-press.txt", "requirements-dev.txt"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def usable():
    """Return whether there is an environment whose Python runs and is suitable."""
    check = "import sys; sys.exit(not %r <= sys.version_info[:2] <= %r)" % (OLDEST, NEWEST)
    try:
        return subprocess.call([PYTHON, "-c", check]) == 0
    except OSError:
        return False


def made_from():
    """Return the hash of what the environment was made from; empty if it was never finished."""
    try:
        with open(STAMP) as file:
            return file.read()
    except OSError:
        return ""


def create(python, folder=VENV):
    """Create an empty environment in a folder; return whether that worked."""
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-m", "venv", folder]
    with open(os.devnull, "w") as nowhere:
        if subprocess.call(command, stdout=nowhere, stderr=nowhere) == 0:
            return True
        # Debian keeps venv in a package of its own; the virtualenv of pip does without.
        shutil.rmtree(folder, ignore_errors=True)
        tools = os.path.join(ROOT, ".local", "tools", "virtualenv")
        install = [python, "-m", "pip", "install", "--quiet", "--target", tools, "virtualenv"]
        if subprocess.call(install, stdout=nowhere, stderr=nowhere) != 0:
            return False
        environ = dict(os.environ, PYTHONPATH=tools)
        return (
            subprocess.call(
                [python, "-m", "virtualenv", folder], env=environ, stdout=nowhere, stderr=nowhere
            )
            == 0
        )


def write_command():
    """Write .venv/bin/consent, which runs the command line from this folder as it is now."""
    path = os.path.join(VENV, "bin", "consent")
    run = "import sys; sys.path[0] = sys.argv.pop(1); from infra.operator.cli.main import main; main()"
    words = [PYTHON, "-c", run, ROOT]
    quoted = " ".join("'%s'" % word.replace("'", "'\\''") for word in words)
    text = '#!/bin/sh\nexec %s "$@"\n' % quoted
    with open(path, "w") as file:
        file.write(text)
    os.chmod(path, 0o744)


def main():
    """Make the environment unless it is up to date; return the exit code."""
    ready = usable()
    if ready and made_from() == wanted():
        write_command()
        return 0
    python = suitable_python()
    if python is None:
        report(
            "Python 3.11, 3.12 or 3.13 is needed (Lambda runs the same one); this is %d.%d."
            % sys.version_info[:2]
        )
        return 1
    report("Setting up .venv (a minute or two, when requirements have changed) ...")
    if not ready and not create(python):
        report(
            "No virtual environment could be made: install venv or pip for %s, for example python3-venv."
            % python
        )
        return 1
    requirements = os.path.join(ROOT, "requirements-dev.txt")
    install = [
        PYTHON,
        "-m",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--quiet",
        "-r",
        requirements,
    ]
    log = os.path.join(VENV, "install.log")
    with open(log, "w") as output:
        failed = subprocess.call(install, stdout=output, stderr=subprocess.STDOUT)
    if failed:
        report(
            "The packages could not be installed: is there a network? Its output is in %s." % log
        )
        return 1
    write_command()
    with open(STAMP, "w") as file:
        file.write(wanted())
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
