"""Laboratories for the tests: networks of namespaces with the real daemons in them.

``networks``  a routed internet without daemons, for a module; the node is on no link
``lab``       the same with the four daemons as configured at first and the node at home, before each test

``pytest tests/netns --pause-on-error`` stops a failed test while its networks are up and prints how to get a
shell in each.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from mobileip.control.lab.lab import Lab
from tests.judges import need


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    lab = _lab_of(item)
    if lab is None or not report.failed:
        return
    report.sections.append(("daemons", lab.explain()))
    if item.config.getoption("--pause-on-error", default=False):
        _pause(item, lab)


def _lab_of(item: pytest.Item) -> Lab | None:
    arguments = getattr(item, "funcargs", {})
    found = arguments.get("lab") or arguments.get("networks")
    return found if isinstance(found, Lab) else None


def _pause(item: pytest.Item, lab: Lab) -> None:
    capture = item.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\n{item.nodeid} failed; logs and configuration are in {lab.directory}")
        for name, command in lab.shells():
            print(f"  {name:14} {command}")
        print("Enter goes on: ", end="", flush=True)
        sys.stdin.readline()


@pytest.fixture(scope="session")
def judges() -> None:
    """tcpdump and tshark, by which tests of what is on the wire judge; no reason to skip: make build installs them."""
    need("tcpdump", "tshark")


@pytest.fixture(scope="module")
def networks() -> Iterator[Lab]:
    with Lab() as lab:
        yield lab


@pytest.fixture(scope="module")
def _lab_of_module() -> Iterator[Lab]:
    with Lab() as lab:
        lab.start()
        yield lab


@pytest.fixture
def lab(_lab_of_module: Lab) -> Lab:
    _lab_of_module.reset()
    return _lab_of_module
