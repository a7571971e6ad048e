"""The demonstration as one watches it: a live screen in a terminal, plain lines anywhere else, one table
at the end.
"""

from __future__ import annotations

import math
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from types import TracebackType
from typing import Any, Final, Self

from rich.align import Align
from rich.box import ROUNDED, SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.layout import Layout
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from mobileip.control.lab.events import Follower, LogEvent
from mobileip.control.lab.handover import Handover
from mobileip.control.lab.lab import Lab
from mobileip.control.lab.namespaces import LabError
from mobileip.control.lab.picture import HEIGHT, WIDTH, Scene, draw
from mobileip.control.lab.roaming import Result, Tour
from mobileip.control.lab.topology import SITES

_PERIOD: Final = 0.2  # s between two frames: more would take time from what is shown
_STRIP: Final = 120  # frames of the strip charts
_HANDOVERS: Final = 57  # columns of their panel
_BARS: Final = "▁▂▃▄▅▆▇█"
_NOISE: Final = 0.025  # of a frame's probes: those that are on their way when the ends are asked
_LEVELS: Final = {"warning": "yellow", "error": "bold red"}


class Watcher(ABC):
    """Context manager: a thread that looks at the tour every so often. Subclasses say what they do with
    it.
    """

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._begun, self._begun_wall = time.monotonic(), time.time()
        self._follower = Follower({daemon.name: daemon.log for daemon in lab.daemons})
        self._said: deque[tuple[float, str]] = deque()
        self._failure: Exception | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="screen", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()
        if kind is None and self._failure is not None:
            raise self._failure

    def say(self, line: str) -> None:
        """A stage that the tour has reached."""
        self._said.append((self._elapsed(), line))

    @abstractmethod
    def _look(self, events: Sequence[LogEvent]) -> None:
        """What has been logged since the last look."""

    def _run(self) -> None:
        try:
            while not self._ended.wait(_PERIOD):
                self._look(self._new_events())
            self._look(self._new_events())
        except Exception as failure:
            self._failure = failure

    def _new_events(self) -> list[LogEvent]:
        """The daemons' and our own, in the order of their times, which begin with the demonstration."""
        events = [replace(event, at=event.at - self._begun_wall) for event in self._follower.look()]
        while self._said:
            at, line = self._said.popleft()
            events.append(LogEvent(at, "", "info", line, {}))
        return sorted(events, key=lambda event: event.at)

    def _elapsed(self) -> float:
        return time.monotonic() - self._begun


class Silent(Watcher):
    """Shows nothing: for --json."""

    def _look(self, events: Sequence[LogEvent]) -> None:
        return


class Lines(Watcher):
    """Plain lines, for a file, a pipe or a terminal that cannot do better."""

    def __init__(self, lab: Lab, console: Console) -> None:
        super().__init__(lab)
        self._console = console

    def _look(self, events: Sequence[LogEvent]) -> None:
        for event in events:
            who = f"  {event.daemon}:" if event.daemon else "*"
            line = f"{event.at:7.3f} {who} {event.name} {event.details}"
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)


class Screen(Watcher):
    """The live screen."""

    @staticmethod
    def fits(console: Console) -> bool:
        """Whether it has a terminal that is large enough."""
        return console.is_terminal and console.width >= WIDTH and console.height >= HEIGHT + 6

    def __init__(self, lab: Lab, console: Console) -> None:
        super().__init__(lab)
        self.tour: Tour | None = None
        self._live = Live(console=console, screen=True, auto_refresh=False, transient=True)
        self._console = console
        self._stage = "building the networks"
        self._events: deque[Text] = deque(maxlen=100)
        self._registration: dict[str, Any] = {"state": "disconnected"}
        self._binding: dict[str, Any] = {}
        self._tunnel: dict[str, Any] = {}
        self._packets = 0  # through tunnels that exist no more
        self._counts = ((0, 0), (0, 0))
        self._bytes = (0, 0)
        self._strips: tuple[deque[float], deque[float]] = (deque(maxlen=_STRIP), deque(maxlen=_STRIP))
        self._frame = 0

    def __enter__(self) -> Self:
        self._live.start()
        return super().__enter__()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, trace)
        self._live.stop()

    def say(self, line: str) -> None:
        super().say(line)
        self._stage = line

    def _look(self, events: Sequence[LogEvent]) -> None:
        self._events.extend(map(_event_line, events))
        self._frame += 1
        # A daemon or a helper that is starting or ending: the frame shows what was known before.
        with suppress(LabError):
            self._ask()
        self._live.update(self._render(), refresh=True)

    def _ask(self) -> None:
        tour = self.tour
        if tour is None:
            return
        if tour.probes is not None and tour.transfer is not None:
            counts = tour.probes.counts()
            for strip, (sent, received), (sent_before, received_before) in zip(
                self._strips, counts, self._counts, strict=True
            ):
                came, went = received - received_before, max(1, sent - sent_before)
                strip.append(min(1.0, max(0.0, 1 - came / went)))
            self._counts = counts
            self._bytes = tour.transfer.received()
        if not tour.measuring.is_set() and all(daemon.running for daemon in self._lab.daemons):
            self._registration = self._lab.node.show("registration")
            bindings, tunnels = self._lab.home.show("bindings"), self._lab.home.show("tunnels")
            self._binding = bindings[0] if bindings else {}
            self._tunnel = tunnels[0] if tunnels else {}

    # ---- what it looks like

    def _render(self) -> RenderableType:
        width, height = self._console.size
        layout = Layout()
        handovers = handover_table(self.tour.handovers if self.tour is not None else (), short=True)
        if height >= HEIGHT + 20 and width >= WIDTH + 4:
            layout.split_column(
                Layout(_panel(self._picture(), self._headline()), size=HEIGHT + 2),
                Layout(name="middle", size=9),
                Layout(_panel(self._log(height - HEIGHT - 13), "events")),
            )
            layout["middle"].split_row(
                Layout(_panel(self._state(width - _HANDOVERS - 4), "now")),
                Layout(_panel(handovers, "handovers, ms after link-up"), size=_HANDOVERS),
            )
        else:
            layout.split_column(
                Layout(self._headline(), size=1),
                Layout(self._picture(), size=HEIGHT),
                Layout(self._state(width, short=True), size=3),
                Layout(self._log(height - HEIGHT - 4)),
            )
        return layout

    def _headline(self) -> Text:
        return Text(
            f"{self._elapsed():5.1f} s  {self._stage}", style="bold", no_wrap=True, overflow="ellipsis"
        )

    def _picture(self) -> RenderableType:
        tour, shown, binding = self.tour, self._registration, self._binding
        scene = Scene(
            site=self._lab.site,
            destination=None if tour is None or tour.destination is None else SITES[tour.destination],
            state=str(shown["state"]),
            care_of_address=binding.get("care_of_address"),
            packets=self._tunnel.get("packets_in", 0) + self._tunnel.get("packets_out", 0),
            frame=self._frame,
        )
        return Align.center(draw(scene))

    def _state(self, width: int, *, short: bool = False) -> RenderableType:
        transfer = _fact("TCP", f"{sum(self._bytes) / 1e6:.1f} MB, in order", "bold")
        strips = [
            _strip(name, strip, max(0, sent - received), width)
            for name, strip, (sent, received) in zip(("down", "up"), self._strips, self._counts, strict=True)
        ]
        if short:
            return Group(transfer, *strips)
        return Group(self._node_line(), self._binding_line(), *self._tunnel_lines(), transfer, *strips)

    def _node_line(self) -> Text:
        state, care_of = str(self._registration["state"]), self._registration.get("care_of_address")
        if state == "registered":
            return _fact("node", f"registered at {care_of}", "bold bright_yellow")
        return _fact(
            "node",
            "at home" if state == "home" else state,
            "bold bright_yellow" if state == "home" else "bold red",
        )

    def _binding_line(self) -> Text:
        if not self._binding:
            return _fact("binding", "none", "grey62")
        left = self._binding["remaining_s"]
        return _fact("binding", f"{self._binding['care_of_address']}, {left:.0f} s left", "default")

    def _tunnel_lines(self) -> tuple[Text, Text]:
        if not self._tunnel:
            return _fact("tunnel", "none", "grey62"), Text()
        out, into = (f"{self._tunnel[name]:,}".replace(",", " ") for name in ("packets_out", "packets_in"))
        return _fact("tunnel", f"{out} packets to the node", "cyan"), _fact("", f"{into} from it", "cyan")

    def _log(self, rows: int) -> RenderableType:
        return Group(*list(self._events)[-max(1, rows) :])


def _panel(content: RenderableType, title: str | Text) -> Panel:
    return Panel(content, title=title, title_align="left", box=ROUNDED, border_style="grey42", padding=(0, 1))


def _fact(name: str, value: str, style: str) -> Text:
    return Text.assemble((f"{name:8}", "grey62"), (value, style), no_wrap=True, overflow="ellipsis")


def _event_line(event: LogEvent) -> Text:
    style = _LEVELS.get(event.level, "default") if event.daemon else "bold bright_white"
    return Text.assemble(
        (f"{event.at:7.3f} ", "grey50"),
        (f"{event.daemon:9}" if event.daemon else "", "cyan"),
        (f"{event.name} ", style),
        (event.details, "grey62"),
        no_wrap=True,
        overflow="ellipsis",
    )


def _strip(name: str, losses: Sequence[float], missing: int, width: int) -> Text:
    """A strip chart of the share of probes that did not come, one column a frame; the latest is at the
    right.
    """
    after = f" {missing} lost"
    text = Text.assemble((f"{name:8}", "grey62"), no_wrap=True)
    for loss in list(losses)[-max(1, width - len(text) - len(after)) :]:
        style = "green" if loss <= _NOISE else "yellow" if loss < 0.5 else "bold red"
        lost = 0 if loss <= _NOISE else math.ceil(loss * (len(_BARS) - 1))
        text.append(_BARS[len(_BARS) - 1 - lost], style)
    return text.append(after, "grey62")


def handover_table(handovers: Sequence[Handover], *, short: bool = False) -> Table:
    """One row per handover; times are milliseconds after link-up."""
    table = Table(box=None if short else SIMPLE_HEAD, padding=(0, 1), header_style="bold", show_edge=False)
    table.add_column("from → to", no_wrap=True)
    for heading in ("reg." if short else "registered", "down", "up"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("lost ↓ ↑", justify="right", no_wrap=True)
    for handover in list(handovers):
        origin, destination = SITES[handover.origin].title, SITES[handover.destination].title
        table.add_row(
            f"{origin} → {destination}",
            _ms(handover.registered_ms),
            _ms(handover.gap_down_ms),
            _ms(handover.gap_up_ms),
            f"{handover.lost_down} {handover.lost_up}",
        )
    return table


def _ms(value: float | None) -> Text:
    if value is None:
        return Text("never", "bold red")
    return Text(f"{value:.1f}", "green" if value <= 25 else "yellow" if value <= 100 else "red")


def conclusion(result: Result) -> RenderableType:
    """What is left on the terminal at the end."""
    tcp = result.tcp
    if tcp.survived and tcp.checksum_ok:
        verdict = Text(f"The TCP connection survived: {tcp.bytes:,} bytes came, all in order.", "bold green")
    else:
        verdict = Text(f"The TCP connection did not survive whole: {tcp.reason}", "bold red")
    explained = Text(
        "Milliseconds from link-up to the registration's reply, and to the first packet over the new path"
        " down to the node and up from it. Lost: probes, one every 2 ms each way; those sent while there was"
        " no link are among them.",
        "grey62",
    )
    return Group(Text(), handover_table(result.handovers), Text(), verdict, explained)
