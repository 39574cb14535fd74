"""The core decides and never acts: no input or output, clock or chance, so that every decision can be tested."""

import ast
from pathlib import Path

import pytest

CORE = Path(__file__).parents[2] / "bartizan"
SHELL = {"cli"}  # the one package of the core that talks to files, terminals and the controller
ALLOWED_THIRD_PARTY = {"msgspec", "cryptography", "tuf", "securesystemslib"}
ALLOWED_THIRD_PARTY_BY_MODULE = {"policy/document.py": {"yaml"}}  # what people write, read by the extra `cli`
IMPURE = {
    "asyncio", "socket", "ssl", "subprocess", "os", "pathlib", "io", "shutil", "tempfile", "time", "random", "secrets",
    "threading", "multiprocessing", "select", "signal", "http", "urllib.request", "sqlite3", "logging", "sys",
}  # fmt: skip
IMPURE_CALLS = {"open", "print", "input", "datetime.now", "datetime.utcnow", "date.today", "uuid.uuid4", "uuid.uuid1"}


def modules() -> list[Path]:
    """Every module of the core outside its shell."""
    return [path for path in sorted(CORE.rglob("*.py")) if path.relative_to(CORE).parts[0] not in SHELL]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(CORE)))
def test_a_core_module_neither_acts_nor_asks_the_clock(path: Path) -> None:
    """Time, identifiers and bytes are parameters."""
    import sys

    tree = ast.parse(path.read_text(encoding="utf-8"))
    imported = {name for node in ast.walk(tree) for name in imports_of(node)}
    roots = {name.partition(".")[0] for name in imported} - {"bartizan"}
    third_party = roots - set(sys.stdlib_module_names)
    allowed = ALLOWED_THIRD_PARTY | ALLOWED_THIRD_PARTY_BY_MODULE.get(path.relative_to(CORE).as_posix(), set())
    called = {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}

    assert not {name for name in imported for impure in IMPURE if name == impure or name.startswith(f"{impure}.")}
    assert third_party <= allowed
    assert not called & IMPURE_CALLS


def imports_of(node: ast.AST) -> list[str]:
    """The dotted names that a statement imports."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module]
    return []
