"""The demonstration's picture and table, from what is known."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from mobileip.control.lab.handover import Handover
from mobileip.control.lab.picture import HEIGHT, WIDTH, Scene, draw
from mobileip.control.lab.roaming import Result
from mobileip.control.lab.screen import conclusion
from mobileip.control.lab.topology import FOREIGN1, FOREIGN2, FOREIGN3, HOME, SITES, Site
from mobileip.control.lab.traffic import Verdict


def picture(scene: Scene) -> list[str]:
    return draw(scene).plain.splitlines()


@pytest.mark.parametrize("site", [*SITES.values(), None])
@pytest.mark.parametrize("bound", [None, "198.51.100.1", "198.51.100.65", "198.51.100.140"])
def test_it_always_has_its_size(site: Site | None, bound: str | None) -> None:
    lines = picture(Scene(site=site, care_of_address=bound, state="registered"))
    assert len(lines) == HEIGHT
    assert {len(line) for line in lines} == {WIDTH}


def test_at_home_there_is_no_tunnel() -> None:
    text = "\n".join(picture(Scene(site=HOME, state="home")))
    assert "at home" in text and "═" not in text


def test_the_node_hangs_below_its_site_and_the_tunnel_ends_there() -> None:
    for site in (FOREIGN1, FOREIGN2, FOREIGN3):
        lines = picture(Scene(site=site, state="registered", care_of_address=str(site.care_of_address)))
        node = next(line for line in lines if "mobile node" in line)
        router = next(line for line in lines if str(site.router.ip) in line)
        centre = router.index(str(site.router.ip)) + len(str(site.router.ip)) // 2
        assert node.index("│") < centre < node.rindex("│")
        tunnel = next(line for line in lines if "╗" in line)
        assert abs(tunnel.index("╗") - centre) < 11


def test_registering_shows_the_old_tunnel_until_the_binding_changes() -> None:
    text = "\n".join(picture(Scene(site=FOREIGN2, state="registering", care_of_address="198.51.100.1")))
    assert "registering" in text and "╗" in text


def handover(registered: float | None, gap: float | None) -> Handover:
    return Handover("home", "foreign1", 3.0, registered, gap, gap, 4, 5)


def shown(result: Result) -> str:
    console = Console(file=io.StringIO(), width=100, force_terminal=False)
    console.print(conclusion(result))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_conclusion_of_a_good_tour() -> None:
    result = Result((handover(5.25, 6.0),), Verdict(survived=True, bytes=1234567, checksum_ok=True))
    text = shown(result)
    assert "home → foreign 1" in text and "5.2" in text and "4 5" in text
    assert "survived: 1,234,567 bytes" in text
    assert result.good and result.to_json()["handovers"][0]["gap_ms"] == 6.0


@pytest.mark.parametrize(
    "result",
    [
        Result((handover(None, None),), Verdict(survived=True, bytes=1, checksum_ok=True)),
        Result((handover(5, 5),), Verdict(survived=False, bytes=1, checksum_ok=True, reason="cut")),
        Result(
            (handover(5, 5),),
            Verdict(survived=True, bytes=1, checksum_ok=False, reason="up: byte 7 is wrong"),
        ),
    ],
)
def test_what_went_wrong_is_not_good_and_is_said(result: Result) -> None:
    text = shown(result)
    assert not result.good
    assert "never" in text or result.tcp.reason in text
