"""Any value anywhere gives problems, never an exception."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mobileip.control.config.load import examine_data
from mobileip.control.config.problem import Severity
from tests.unit.config.texts import FOREIGN, HOME, KEY, MOBILE

LEAVES = st.one_of(
    st.none(),  # which is no TOML, and so must do no harm either
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(["10.1.0.5", "10.1.0.0/24", "infinite", "mip0", "eth1", "00" * 16, "optional", ".", "/"]),
    st.datetimes(),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
)


def places(data: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place in nested tables and lists where a value stands."""
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return ([path] if path else []) + [place for key, value in inner for place in places(value, (*path, key))]


@given(st.data())
def test_any_value_anywhere_gives_problems_and_no_exception(drawn: st.DataObject) -> None:
    data: Any = tomllib.loads(
        drawn.draw(st.sampled_from([HOME, FOREIGN, MOBILE, "[daemon]" + HOME + FOREIGN]))
    )
    for _ in range(drawn.draw(st.integers(1, 3))):
        *parents, key = drawn.draw(st.sampled_from(places(data)))
        table = data
        for parent in parents:
            table = table[parent]
        if isinstance(table, dict) and drawn.draw(st.booleans()):
            key = drawn.draw(
                st.sampled_from(["key_file", "advertise", "daemon", "interfaces"]) | st.text(max_size=5)
            )
        table[key] = drawn.draw(VALUES)
    config, found = examine_data(data, Path("/nonexistent"))
    errors = [problem for problem in found if problem.severity is Severity.ERROR]
    assert (config is None) is bool(errors)
    assert all(problem.text for problem in found)
    assert not any(KEY in str(problem) for problem in found)
