"""What stands below an attribute in its source: Python keeps it nowhere, so it is read off the syntax tree."""

import ast
import inspect
import textwrap
from itertools import pairwise
from types import ModuleType


def below_names(owner: type | ModuleType) -> dict[str, str]:
    """Return the text below each assigned name of a class or module; names without one are left out."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(owner)))
    body = tree.body if isinstance(owner, ModuleType) else _class_body(tree)
    return {
        name: inspect.cleandoc(following.value.value)
        for statement, following in pairwise(body)
        if (name := _assigned(statement))
        and isinstance(following, ast.Expr)
        and isinstance(following.value, ast.Constant)
        and isinstance(following.value.value, str)
    }


def _class_body(tree: ast.Module) -> list[ast.stmt]:
    (found,) = tree.body
    assert isinstance(found, ast.ClassDef)
    return found.body


def _assigned(statement: ast.stmt) -> str:
    match statement:
        case ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]):
            return name
    return ""
