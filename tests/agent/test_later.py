"""Modules that are put off are there as soon as they are used, however that happens."""

import subprocess
import sys

import pytest

BEGIN = """
import sys
from bartizan_agent import later
later.put_off()
import httpx, shutil
held = {name for name in later.PUT_OFF if type(sys.modules[name]) is later._Later}
assert held == set(later.PUT_OFF), held
assert "typing_extensions" not in sys.modules
"""


@pytest.mark.parametrize(
    "use",
    [
        pytest.param("print(httpx.URL('http://b\\u00fccher.example/').raw_host)", id="a library uses it"),
        pytest.param("import idna; print(idna.encode('b\\u00fccher.example'))", id="its name"),
        pytest.param("from idna import encode; print(encode('b\\u00fccher.example'))", id="something of it by name"),
        pytest.param("from idna.core import encode; print(encode('b\\u00fccher.example'))", id="a module below it"),
    ],
)
def test_whoever_uses_it_finds_it(use: str) -> None:
    assert run(use) == "b'xn--bcher-kva.example'"


def test_the_standard_library_finds_its_own() -> None:
    assert run(
        "import bz2, mimetypes; print(bz2.decompress(bz2.compress(b'x')), mimetypes.guess_type('a.png')[0])"
    ) == ("b'x' image/png")


def test_what_msgspec_went_without_can_be_imported_afterwards() -> None:
    assert run("import typing_extensions; print(typing_extensions.__name__)") == "typing_extensions"


def run(use: str) -> str:
    done = subprocess.run([sys.executable, "-c", BEGIN + use], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
