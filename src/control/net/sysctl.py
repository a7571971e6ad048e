"""Kernel settings under /proc/sys/net/ipv4 that an agent or a mobile node needs, and their way back.

The old value of every setting is written to a file before the setting is changed, so that also a run that
follows a killed one puts back what the machine had at first.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from mobileip.control.net.failures import sentence
from mobileip.control.ports import ActionError

_ROOT: Final = Path("/proc/sys/net/ipv4")
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")


class Sysctls:
    """Names are below net.ipv4 with dots or slashes: ``ip_forward``, ``conf/eth0/rp_filter``.

    ``save_file`` None keeps the old values in memory only.
    """

    def __init__(self, save_file: Path | None, root: Path = _ROOT) -> None:
        self._file = save_file
        self._root = root
        self._old: dict[str, str] = self._load()

    def get(self, name: str) -> str | None:
        """The present value; ``None`` where there is no such setting (the interface is gone)."""
        try:
            return (self._root / name).read_text().strip()
        except (FileNotFoundError, NotADirectoryError):
            return None

    def set(self, name: str, value: str | int) -> None:
        self.apply({name: str(value)})

    def apply(self, needs: Mapping[str, str]) -> None:
        """Remembers the old values, then writes the new ones in their order.

        All are remembered before the first is written, because one write changes others: conf.default every
        interface that was never set by itself, ip_forward every interface's forwarding.

        :raises ActionError: a setting does not exist or its change is refused; one sentence.
        """
        known = len(self._old)
        for name, value in needs.items():
            present = self.get(name)
            if present is None:
                raise ActionError(sentence(f"cannot set net/ipv4/{name} to {value}", errno.ENOENT))
            if present != value:
                if name == "ip_forward":
                    self._remember_what_forwarding_changes()
                self._old.setdefault(name, present)
        if len(self._old) != known:
            self._save()
        for name, value in needs.items():
            if self.get(name) != value:
                self._write(name, value)

    def _remember_what_forwarding_changes(self) -> None:
        """Before ip_forward itself, so that these are put back after it."""
        each = [
            f"conf/{where.name}/forwarding"
            for where in (self._root / "conf").iterdir()
            if where.name != "all"
        ]
        for name in ["conf/all/accept_redirects", *each]:
            present = self.get(name)
            if present is not None:
                self._old.setdefault(name, present)

    def forget(self, *names: str) -> None:
        """Puts these back now, those that were changed and whose interface is not gone."""
        changed = [name for name in names if name in self._old]
        for name in changed:
            if self.get(name) is not None:
                self._write(name, self._old[name])
            del self._old[name]
        if changed:
            self._save()

    def restore(self) -> list[str]:
        """Puts everything back, the last change first; returns a sentence for each that could not be."""
        failures = []
        for name in reversed(list(self._old)):
            try:
                if self.get(name) is not None:
                    self._write(name, self._old[name])
                del self._old[name]
            except ActionError as error:
                failures.append(str(error))
        self._save()
        return failures

    def _write(self, name: str, text: str) -> None:
        try:
            (self._root / name).write_text(text)
        except OSError as error:
            raise ActionError(sentence(f"cannot set net/ipv4/{name} to {text}", error.errno or 0)) from error

    def _load(self) -> dict[str, str]:
        """Old values of a killed run; those from before the machine was last booted mean nothing."""
        if self._file is None:
            return {}
        try:
            saved = json.loads(self._file.read_text())
            old = saved["old"] if saved["boot"] == _boot() else {}
            return {str(name): str(value) for name, value in old.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ActionError(
                f"cannot read the saved kernel settings in {self._file} ({error}); look at it, then remove it"
            ) from error

    def _save(self) -> None:
        if self._file is None:
            return
        try:
            if not self._old:
                self._file.unlink(missing_ok=True)
                return
            self._file.parent.mkdir(parents=True, exist_ok=True)
            fresh = self._file.with_name(self._file.name + ".new")
            fresh.write_text(json.dumps({"boot": _boot(), "old": self._old}, indent=1) + "\n")
            os.replace(fresh, self._file)
        except OSError as error:
            what = f"cannot save kernel settings in {self._file}"
            raise ActionError(sentence(what, error.errno or 0)) from error


def _boot() -> str:
    return _BOOT.read_text().strip()


def isolate(sysctls: Sysctls, setting: str, wanted: Mapping[str, int], root: Path = _ROOT) -> dict[str, str]:
    """Settings that make ``wanted`` (interface to value) effective and change nothing for other interfaces.

    For rp_filter, send_redirects and (on a host) accept_redirects the kernel applies the larger of conf.all and the
    interface's own value.
    So conf.all becomes 0, and every other interface (and conf.default, for those to come) gets as its own
    what was effective there.
    """
    everywhere = int(sysctls.get(f"conf/all/{setting}") or 0)
    needs = {}
    if everywhere:
        each = sorted({entry.name for entry in (root / "conf").iterdir()} - {"all", "default"})
        for name in ("default", *each):  # default first: it changes the others that were never set
            own = int(sysctls.get(f"conf/{name}/{setting}") or 0)
            needs[f"conf/{name}/{setting}"] = str(max(everywhere, own))
    needs.update({f"conf/{name}/{setting}": str(value) for name, value in wanted.items()})
    if everywhere:
        needs[f"conf/all/{setting}"] = "0"  # last, so that nothing is weaker in between than it will be
    return needs


def need_for_agent(
    sysctls: Sysctls, tunnel_device: str, *, home_links: Iterable[str] = (), visited: Iterable[str] = ()
) -> dict[str, str]:
    """What a home or foreign agent needs.

    Packets come out of the tunnel device with any source address: no reverse path filter there, the tunnel's
    own source check does that work. On a home link a strict filter would drop the deregistration of a node
    that is back while its route still leads into the tunnel: there it is loose (2) at most. Proxy ARP is
    answered at once (by default the kernel waits up to 0.8 s). No redirects: they would tell hosts of the
    home link, or visitors, to send past us.
    """
    home_links, visited = tuple(home_links), tuple(visited)
    links = (tunnel_device, *home_links, *visited)
    filters = {tunnel_device: 0}
    for name in home_links:
        effective = max(int(sysctls.get(f"conf/{where}/rp_filter") or 0) for where in ("all", name))
        filters[name] = 2 if effective else 0
    needs = {"ip_forward": "1"}
    needs.update({f"conf/{name}/forwarding": "1" for name in links})
    needs.update(isolate(sysctls, "rp_filter", filters))
    needs.update(isolate(sysctls, "send_redirects", dict.fromkeys(links, 0)))
    needs.update({f"neigh/{name}/proxy_delay": "0" for name in home_links})
    return needs


def need_for_mobile(sysctls: Sysctls, tunnel_device: str, interfaces: Iterable[str]) -> dict[str, str]:
    """What a mobile node needs: packets for its home address come from the tunnel and over links of any
    network.

    Not even the loose filter will do: it drops everything on an interface that has no address. No redirect is followed
    (RFC 5944 s4.2.1): it would lead past the agent, by an ARP request for somebody on a foreign link. A host that does
    not forward applies the larger of conf.all and the interface's own value to redirects too, one that forwards the
    smaller; there the other interfaces ignore redirects as well.
    """
    links = (tunnel_device, *interfaces)
    needs = isolate(sysctls, "rp_filter", dict.fromkeys(links, 0))
    return needs | isolate(sysctls, "accept_redirects", dict.fromkeys(links, 0))
