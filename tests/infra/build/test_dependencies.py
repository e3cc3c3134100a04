from pathlib import Path

import pytest

from infra.build.dependencies import StaleRuleError, leave_out, only_operations

_KMS = {
    "operations": {
        "Decrypt": {"input": {"shape": "DecryptRequest"}},
        "Sign": {"input": {"shape": "SignRequest"}},
    },
    "shapes": {
        "DecryptRequest": {"members": {"CiphertextBlob": {"shape": "Blob"}}},
        "Blob": {"type": "blob"},
        "SignRequest": {"members": {"Message": {"shape": "Message"}}},
        "Message": {"type": "blob"},
    },
}


def test_what_a_rule_names_is_left_out_and_nothing_else(tmp_path: Path) -> None:
    """The bundle carries no tests of other projects, and still carries their modules."""
    (tmp_path / "qrcode/tests").mkdir(parents=True)
    (tmp_path / "qrcode/main.py").touch()
    leave_out(tmp_path, "qrcode/tests")
    assert [path.name for path in (tmp_path / "qrcode").iterdir()] == ["main.py"]


def test_a_rule_that_matches_nothing_stops_the_build_by_name(tmp_path: Path) -> None:
    """After a package changed, its stale rule is found when the bundle is built, and not as a slow
    cold start.
    """
    with pytest.raises(StaleRuleError, match=r"qrcode/tests.*matches nothing"):
        leave_out(tmp_path, "qrcode/tests")


def test_a_service_description_keeps_what_its_operations_lead_to() -> None:
    """A cold start reads the shapes of the calls that are made, and no others."""
    kept = only_operations("kms", _KMS, ["Decrypt"])
    assert (list(kept["operations"]), list(kept["shapes"])) == (
        ["Decrypt"],
        ["DecryptRequest", "Blob"],
    )


def test_an_operation_that_a_service_lacks_stops_the_build_by_name() -> None:
    """A misspelled operation is found when the bundle is built, and not when a patient waits for
    it.
    """
    with pytest.raises(StaleRuleError, match="kms: Decipher"):
        only_operations("kms", _KMS, ["Decipher"])
