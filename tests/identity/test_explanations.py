"""Saved observations and what `bartizan identify --explain` says of them, side by side: a person can check both.

After a change read what is different before the files are written anew: they are the promise.
"""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from bartizan.cli.identify import identify

FOLDER = Path(__file__).parent / "observations"
SAVED = sorted(FOLDER.glob("*.json"))


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(identify, [str(argument) for argument in arguments])


@pytest.mark.parametrize("file", SAVED, ids=lambda file: file.stem)
def test_a_saved_observation_is_explained_as_expected(file: Path) -> None:
    result = run("--explain", file)

    assert result.exit_code == 0, result.output
    assert trimmed(result.output) == file.with_suffix(".txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["printer", "access-point", "network-storage", "computer", "switch-of-a-camera-maker"])
def test_what_is_no_camera_is_not_called_one(name: str) -> None:
    result = run(FOLDER / f"{name}.json")

    assert "kind              other\n" in result.output


def test_json_holds_the_verdict_and_where_asked_every_statement() -> None:
    plain = run("--json", FOLDER / "printer.json")
    explained = run("--json", "--explain", FOLDER / "printer.json")

    assert '"kind": "other"' in plain.output
    assert '"counts"' not in plain.output
    assert '"counts": "supports"' in explained.output


def test_other_fingerprints_change_the_verdict_without_a_new_program(tmp_path: Path) -> None:
    (tmp_path / "makers.yaml").write_text("makers:\n  - {maker: acme, name: Acme, source: test}\n", encoding="utf-8")
    (tmp_path / "fingerprints.yaml").write_text(
        "fingerprints:\n  - {fingerprint: x, where: http-server, pattern: '\\Anginx\\Z', maker: acme, weight: 40,"
        " grade: M, source: test}\n",
        encoding="utf-8",
    )

    result = run("--data", tmp_path, FOLDER / "nothing-to-tell.json")

    assert "acme, confidence 40" in result.output


@pytest.mark.parametrize("text", ["", "{}", '{"devices": 7}', "[" * 5000, '{"evidence": [{"fact": "shoe-size"}]}'])
def test_what_is_no_observation_is_refused_with_advice(text: str, tmp_path: Path) -> None:
    file = tmp_path / "saved.json"
    file.write_text(text, encoding="utf-8")

    result = run(file)

    assert result.exit_code != 0
    assert "bartizan-agent scan" in result.output


def trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"
