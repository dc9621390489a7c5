import ast
import inspect

import pytest

import lrisc_system
import lrisc_system.evaluation
from lrisc_system.lazy import lazy_names


@pytest.mark.parametrize("package", [lrisc_system, lrisc_system.evaluation])
def test_type_checkers_and_python_see_the_same_names(package):
    """The imports under TYPE_CHECKING are those that `__getattr__` makes."""
    tree = ast.parse(inspect.getsource(package))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    assert sorted(seen) == sorted(package.__all__)
    for name, module in seen.items():
        home = __import__(module, fromlist=[name])
        assert getattr(package, name) is getattr(home, name)


def test_a_name_is_looked_up_where_it_lives(monkeypatch):
    get = lazy_names("lrisc_system", {"lrisc_system.devices": ("list_devices",)})
    assert get("list_devices")()[0] == "cpu"
    monkeypatch.delattr(lrisc_system, "list_devices")
    with pytest.raises(AttributeError, match="module 'lrisc_system' has no attribute 'nothing'"):
        get("nothing")


def test_all_public_names_are_listed():
    assert set(lrisc_system.__all__) <= set(dir(lrisc_system))
