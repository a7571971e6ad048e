"""The picture of the networks: boxes and lines on a small grid of characters, with the node where it is.

It is drawn from a :class:`Scene`, so what is shown is a pure function of what is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Final

from rich.text import Text

from mobileip.control.lab.topology import CORRESPONDENT, HOME, HOME_ADDRESS, SITES, Site

WIDTH: Final = 76
HEIGHT: Final = 16

_BOX: Final = 17  # columns of a site's box
_NODE_BOX: Final = 27
_CENTRES: Final = {name: 8 + 19 * place for place, name in enumerate(SITES)}
_BUS: Final = 3  # rows
_TUNNEL: Final = 4
_ROUTERS: Final = 5
_LINKS: Final = 9
_NODE: Final = 12

_PLAIN: Final = "grey62"
_PATH: Final = "bold bright_green"
_TUNNELLED: Final = "bold bright_cyan"
_NODE_STYLE: Final = "bold bright_yellow"
_LOST: Final = "bold bright_red"

# The character that joins these of its four neighbours: up 1, right 2, down 4, left 8.
_JOINTS: Final = {
    5: "│", 10: "─", 6: "┌", 12: "┐", 3: "└", 9: "┘", 7: "├", 13: "┤", 14: "┬", 11: "┴", 15: "┼",
    1: "│", 4: "│", 2: "─", 8: "─",
}  # fmt: skip
_SIDES: Final = {character: sides for sides, character in reversed(_JOINTS.items())}  # whole lines win


@dataclass(frozen=True, slots=True)
class Scene:
    """What the picture shows. ``frame`` counts up, and moves what is animated."""

    site: Site | None  # whose link the node is on
    destination: Site | None = None  # where it is just going
    care_of_address: str | None = None  # of the binding at the home agent
    remaining: float | None = None  # s, of that binding
    state: str = "disconnected"  # the mobile node's
    packets: int = 0  # through the tunnel, both ways, at its home end
    frame: int = 0

    @property
    def tunnel_to(self) -> Site | None:
        """The site at which the tunnel of the binding ends."""
        abroad = (site for site in SITES.values() if site is not HOME)
        return next((site for site in abroad if str(site.care_of_address) == self.care_of_address), None)


class Canvas:
    """A grid of styled characters, on which lines join."""

    def __init__(self, width: int, height: int) -> None:
        self._characters = [[" "] * width for _ in range(height)]
        self._styles = [[""] * width for _ in range(height)]
        self._joined = [[0] * width for _ in range(height)]

    def write(self, row: int, column: int, text: str, style: str = "") -> None:
        for place, character in enumerate(text, start=column):
            if 0 <= place < len(self._characters[row]):
                self._characters[row][place] = character
                self._styles[row][place] = style
                self._joined[row][place] = _SIDES.get(character, 0)

    def centre(self, row: int, centre: int, text: str, style: str = "") -> None:
        self.write(row, centre - len(text) // 2, text, style)

    def line(self, row: int, column: int, to_row: int, to_column: int, style: str) -> None:
        """A straight line that joins what it meets."""
        if row == to_row:
            low, high = sorted((column, to_column))
            for at in range(low, high + 1):
                self._join(row, at, (2 if at < high else 0) | (8 if at > low else 0), style)
        else:
            low, high = sorted((row, to_row))
            for at in range(low, high + 1):
                self._join(at, column, (4 if at < high else 0) | (1 if at > low else 0), style)

    def _join(self, row: int, column: int, sides: int, style: str) -> None:
        self._joined[row][column] |= sides
        self._characters[row][column] = _JOINTS[self._joined[row][column]]
        self._styles[row][column] = style

    def box(self, row: int, centre: int, width: int, lines: list[str], style: str, text_style: str) -> None:
        left = centre - width // 2
        self.write(row, left, "┌" + "─" * (width - 2) + "┐", style)
        for place, text in enumerate(lines, start=row + 1):
            self.write(place, left, "│" + " " * (width - 2) + "│", style)
            self.centre(place, centre, text, text_style)
        self.write(row + 1 + len(lines), left, "└" + "─" * (width - 2) + "┘", style)

    def to_text(self) -> Text:
        text = Text(no_wrap=True)
        for number, (characters, styles) in enumerate(zip(self._characters, self._styles, strict=True)):
            text.append("\n" if number else "")
            # Runs of one style: a Text with a span for each character is slow to render.
            for style, run in groupby(zip(characters, styles, strict=True), key=lambda cell: cell[1]):
                text.append("".join(character for character, _ in run), style or None)
        return text


def draw(scene: Scene) -> Text:
    """The picture, WIDTH columns by HEIGHT rows."""
    canvas = Canvas(WIDTH, HEIGHT)
    middle = WIDTH // 2 - 1
    canvas.box(0, middle, 32, [f"correspondent {CORRESPONDENT}"], _PLAIN, "bold white")
    canvas.line(_BUS, _CENTRES["home"], _BUS, _CENTRES["foreign3"], _PLAIN)
    canvas.line(2, middle, _BUS, middle, _PLAIN)
    for site in SITES.values():
        _draw_site(canvas, site, scene)
    # What the correspondent sends goes to the home network wherever the node is.
    canvas.line(_BUS, _CENTRES["home"], _BUS, middle, _PATH)
    canvas.line(2, middle, _BUS, middle, _PATH)
    canvas.line(_BUS, _CENTRES["home"], _ROUTERS, _CENTRES["home"], _PATH)
    if scene.tunnel_to is not None:
        _draw_tunnel(canvas, scene, scene.tunnel_to)
    _draw_node(canvas, scene)
    return canvas.to_text()


def _draw_site(canvas: Canvas, site: Site, scene: Scene) -> None:
    centre, here = _CENTRES[site.name], site is scene.site
    title = {"home": "home agent", "foreign3": "plain router"}.get(site.name, "foreign agent")
    canvas.box(_ROUTERS, centre, _BOX, [title, str(site.router.ip)], _PLAIN, "white")
    canvas.line(_BUS, centre, _ROUTERS, centre, _PLAIN)
    canvas.line(_ROUTERS + 3, centre, _LINKS, centre, _PATH if here else _PLAIN)
    link = site.title if site.own is None else "foreign 3"
    canvas.centre(_LINKS + 1, centre, link, "bold" if here else _PLAIN)


def _draw_tunnel(canvas: Canvas, scene: Scene, end: Site) -> None:
    """Double lines from the home agent to where the tunnel ends; light runs along it while packets do."""
    start = _CENTRES["home"] + 3
    inside = end.own is not None  # it ends in the node itself and passes the router by
    column = _CENTRES[end.name] + (_BOX // 2 + 1 if inside else 3)
    bottom = _NODE if inside else _ROUTERS
    canvas.write(_TUNNEL, start, "╔" + "═" * (column - start - 1) + "╗", _TUNNELLED)
    for site in SITES.values():
        if start < _CENTRES[site.name] < column:
            canvas.write(_TUNNEL, _CENTRES[site.name], "╪", _TUNNELLED)
    for at in range((scene.frame * 2) % 8, column - start - 1, 8):
        canvas.write(_TUNNEL, start + 1 + at, "━", "bold white")
    canvas.write(_ROUTERS, start, "╨", _TUNNELLED)
    for row in range(_ROUTERS, bottom):
        canvas.write(row, column, "║", _TUNNELLED)
    canvas.write(bottom, column, "╨", _TUNNELLED)
    label = f" IP-in-IP  {scene.packets:,} packets ".replace(",", " ")
    if len(label) <= column - start - 1:
        canvas.centre(_TUNNEL, (start + column) // 2, label, _TUNNELLED)


def _draw_node(canvas: Canvas, scene: Scene) -> None:
    where = scene.site or scene.destination
    centre = WIDTH // 2 if where is None else _CENTRES[where.name]
    centre = max(_NODE_BOX // 2, min(WIDTH - _NODE_BOX // 2 - 1, centre))
    registered = scene.state in ("home", "registered")
    style = _NODE_STYLE if registered else _LOST
    lines = [f"mobile node {HOME_ADDRESS.ip}", _condition(scene)]
    canvas.box(_NODE, centre, _NODE_BOX, lines, style, style)
    if scene.site is not None:
        canvas.line(_LINKS + 2, _CENTRES[scene.site.name], _NODE, _CENTRES[scene.site.name], style)


def _condition(scene: Scene) -> str:
    if scene.site is None:
        return "changing link"
    if scene.state == "home":
        return "at home"
    if scene.state != "registered":
        return scene.state
    return f"at {scene.care_of_address}" if scene.care_of_address else "registered"
