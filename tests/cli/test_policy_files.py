"""`bartizan policy` on files alone: no controller, no profile."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.cli.policy import policy

POLICIES = Path(__file__).parents[2] / "policies"
WRONG = """policy: my-policy
title: T
version: 1
needs-capability: 1
rules:
  - name: one
    when:
      maker: hikvison
    contain: isolat
    because: x
"""


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(policy, [str(argument) for argument in arguments])


def test_everything_that_is_shipped_is_well_written() -> None:
    """All documents of `policies/`, makers and advisories included."""
    result = run("check", POLICIES, "--json")

    assert result.exit_code == 0
    assert '"holds": "policy uk-hcws386@1, 4 rules"' in result.output


def test_all_shipped_cases_come_out_as_expected() -> None:
    """The cases beside the policies are tests of what they demand."""
    result = run("test", POLICIES)

    assert result.exit_code == 0, result.output
    assert "26 of 26 cases passed" in result.output


def test_every_fault_is_told_with_its_place_and_what_was_meant(tmp_path: Path) -> None:
    """Two mistakes, two lines; each with file, line, column and a suggestion."""
    file = tmp_path / "my-policy.yaml"
    file.write_text(WRONG, encoding="utf-8")
    result = run("check", POLICIES / "makers.yaml", file)

    assert result.exit_code == 1
    assert f"{file}:8:14: " in result.output
    assert "'hikvision'" in result.output
    assert f"{file}:9:14: " in result.output
    assert "'isolate'" in result.output


def test_a_case_that_comes_out_otherwise_fails_with_the_difference(tmp_path: Path) -> None:
    """Exit code 1, expected and got under each other."""
    for name in ("makers.yaml", "block-egress-all-cameras.yaml"):
        (tmp_path / name).write_text((POLICIES / name).read_text(encoding="utf-8"), encoding="utf-8")
    cases = tmp_path / "block-egress-all-cameras.cases"
    cases.mkdir()
    (cases / "camera.txt").write_text(
        "A camera.\n\nkind: camera\nmaker: axis\n---\nlevel: quarantine\n", encoding="utf-8"
    )
    result = run("test", tmp_path)

    assert result.exit_code == 1
    assert "expected  quarantine" in result.output
    assert "got       block-egress" in result.output


def test_a_verdict_is_explained_rule_by_rule() -> None:
    """What matched, and what was in the way of the rest."""
    case = POLICIES / "uk-hcws386.cases" / "ordinary-site.txt"
    result = run("explain", case, POLICIES / "makers.yaml", POLICIES / "uk-hcws386.yaml")

    assert result.exit_code == 0, result.output
    assert result.output.startswith("block-egress, because rule elsewhere of uk-hcws386@1")
    assert "site.sensitivity is sensitive, found ordinary" in result.output


@pytest.mark.parametrize(
    ("content", "says"),
    [("colour: red\n", "begin with one of policy:"), ("\xff", "begin with one of"), ("policy: x\n", "title")],
)
def test_what_is_no_document_is_told_so(tmp_path: Path, content: str, says: str) -> None:
    """And what a document begins with."""
    file = tmp_path / "x.yaml"
    file.write_text(content, encoding="utf-8")
    result = run("check", file)

    assert result.exit_code != 0
    assert says in result.output


def test_the_schema_is_printed_for_editors() -> None:
    """As committed."""
    committed = (POLICIES.parent / "schemas" / "policy.schema.json").read_text(encoding="utf-8")

    assert run("schema").output == committed
