"""Which Python a bundle is for, and what the template says to it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.build.bundle import (
    BUILDER,
    DEPLOYED,
    NotBuiltError,
    PythonVersion,
    find_interpreter,
    for_python,
    named_target,
)
from tests.cast import environment

OTHER = PythonVersion(3, 13 if BUILDER.minor != 13 else 12)
"""A Python that Lambda runs and that is not the builder's."""


@pytest.mark.parametrize("named", ["3.10", "3.14", "2.7", "three", "3", "3.13rc1", ""])
def test_a_python_that_lambda_does_not_run_is_refused(named: str) -> None:
    """A typing error is found before anything is fetched."""
    with pytest.raises(NotBuiltError, match=r"3\.11, 3\.12 or 3\.13"):
        PythonVersion.read(named)


def test_a_target_is_named_by_the_environment_or_is_the_default() -> None:
    """`make deploy` builds for one Python, whoever deploys; PYTHON_TARGET changes that."""
    with environment({}):
        assert named_target(DEPLOYED) == DEPLOYED
    with environment({"PYTHON_TARGET": "3.12.1"}):
        assert named_target(DEPLOYED) == PythonVersion(3, 12)
    assert DEPLOYED.restores


def test_an_interpreter_is_taken_only_if_it_is_what_its_name_says(tmp_path: Path) -> None:
    """A name on the path may be a stand-in that only says which version is missing."""
    place = tmp_path / "bin"
    place.mkdir()
    program = place / OTHER.runtime
    program.write_text(f"#!/bin/sh\necho '{OTHER.runtime}: not found' >&2; exit 127\n")
    program.chmod(0o755)
    nowhere = {"PATH": str(place), "PYENV_ROOT": str(tmp_path / "pyenv")}
    with environment(nowhere):
        assert find_interpreter(OTHER) is None
        program.write_text(f"#!/bin/sh\necho {OTHER.cache_tag}\n")
        assert find_interpreter(OTHER) == str(program)
        assert find_interpreter(BUILDER) == sys.executable


def test_snapstart_is_left_out_for_a_python_that_has_none() -> None:
    """CloudFormation would refuse the whole stack."""

    def template() -> dict[str, dict[str, object]]:
        function = {"SnapStart": {"ApplyOn": {}}, "Runtime": "python3.0"}
        return {
            "Parameters": {"SnapStart": {}, "Release": {}},
            "Conditions": {"RestoresPages": {}},
            "Resources": {
                "APIHandler": {"Type": "AWS::Serverless::Function", "Properties": function}
            },
        }

    old = for_python(template(), PythonVersion(3, 11))
    assert "SnapStart" not in str(old)
    assert "RestoresPages" not in str(old)
    assert "python3.11" in str(old)
    new = for_python(template(), PythonVersion(3, 12))
    assert set(new["Parameters"]) == {"SnapStart", "Release"}
    assert "python3.12" in str(new)


def test_make_package_says_what_it_does_not_build() -> None:
    """A sentence, and no traceback."""
    command = [sys.executable, "-m", "infra.build.bundle"]
    environ = os.environ | {"PYTHON_TARGET": "3.9"}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "PYTHON_TARGET must be 3.11, 3.12 or 3.13, not “3.9”.\n"
