"""The AAA servers that say whether nodes are who they say they are, as the configuration has them (RFC 4721)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Final

from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.servers import Note, Patience
from mobileip.control.agent.aaa import Row, row
from mobileip.control.agent.keys import SERVICE_TYPES, servers, unsaid
from mobileip.control.config.aaa import AaaConfig
from mobileip.control.config.model import Config, HomeAgentConfig
from mobileip.control.config.servers import RadiusServerConfig
from mobileip.control.core.actions import Asker, VerifyProof
from mobileip.control.core.proofs import ProofEvent, ProofSettings
from mobileip.control.security import Secret

if TYPE_CHECKING:
    from mobileip.control.aaa.verifier import RadiusVerifier

_NO_PASSWORD: Final = Secret(b"")
_USES: Final = {Asker.HOME_AGENT: "proofs", Asker.FOREIGN_AGENT: "visitors"}


def settings(home: HomeAgentConfig) -> ProofSettings | None:
    """How a home agent asks; ``None``: it does not."""
    if home.aaa is None:
        return None
    return ProofSettings(
        required=home.aaa.authenticate == "required",
        max_questions=home.aaa.max_questions,
        rate=home.aaa.max_rate,
        brings_keys=_brings_keys(home),
    )


def _servers(home: HomeAgentConfig) -> tuple[RadiusServerConfig, ...]:
    aaa, keys = home.aaa, home.keys
    if aaa is None or aaa.servers or keys is None or keys.radius is None:
        return () if aaa is None else aaa.servers
    return keys.radius.servers


def _brings_keys(home: HomeAgentConfig) -> bool:
    """Whether those that are asked first for keys are asked about proofs too, so that one question is enough."""
    keys = home.keys
    if keys is None or keys.radius is None:
        return False
    asked = [source for source in keys.sources if source != "config"]  # in the file nobody is asked
    return asked[0] == "radius" and _servers(home) == keys.radius.servers


def _keys_told(home: HomeAgentConfig) -> Unsaid | None:
    """How the keys in an acceptance are read; ``None``: they are not."""
    radius = None if home.keys is None else home.keys.radius
    return unsaid(radius) if radius is not None and _brings_keys(home) else None


class Verifiers:
    """Those of both agents in ``config``; opened, asked, changed, closed."""

    def __init__(self, config: Config, submit: Callable[[ProofEvent], None], note: Note) -> None:
        self._submit: Final = submit
        self._note: Final = note
        self._name: Final = config.daemon.name
        self._of: Final[dict[Asker, RadiusVerifier]] = {}
        self._home = config.home_agent
        foreign = config.foreign_agent
        if self._home is not None:
            self._open_home(self._home)
        if foreign is not None and foreign.aaa is not None:
            self._open(Asker.FOREIGN_AGENT, foreign.aaa, foreign.aaa.servers, foreign.care_of_address, None)

    async def change(self, home: HomeAgentConfig) -> None:
        """Go on with ``home``: who has the keys may be others now, or told of otherwise, and be asked about proofs.
        Questions under way are asked anew.
        """
        before, was = self._of.get(Asker.HOME_AGENT), self._home
        self._home = home
        same = was is not None and (_servers(was), _keys_told(was)) == (_servers(home), _keys_told(home))
        if before is None or same:
            return
        self._open_home(home)
        for question in before.under_way:
            self.ask(question)
        await before.close()

    def ask(self, question: VerifyProof) -> None:
        """Begin to ask; ``submit`` gets one answer, later."""
        self._of[question.asker].ask(question)

    def rows(self) -> Iterator[Row]:
        """Every server, by who asks it and in the order in which it is asked."""
        for asker, verifier in self._of.items():
            for one in verifier.servers():
                yield row(_USES[asker], "radius", one, len(verifier.under_way))

    async def close(self) -> None:
        for verifier in self._of.values():
            await verifier.close()

    def _open_home(self, home: HomeAgentConfig) -> None:
        if home.aaa is not None:
            self._open(Asker.HOME_AGENT, home.aaa, _servers(home), home.address, _keys_told(home))

    def _open(
        self,
        asker: Asker,
        config: AaaConfig,
        tables: tuple[RadiusServerConfig, ...],
        address: IPv4Address,
        keys: Unsaid | None,
    ) -> None:
        """``address`` and the name are what servers are told of us."""
        # Not before they are wanted: the library behind them takes long to import.
        from mobileip.control.aaa.attributes import Client
        from mobileip.control.aaa.verifier import RadiusVerifier

        client = Client(
            config.nas_identifier or self._name, _NO_PASSWORD, address, SERVICE_TYPES[config.service_type]
        )
        patience = Patience(config.timeout, config.tries, config.dead_time, config.source)
        self._of[asker] = RadiusVerifier(servers(tables), patience, client, keys, self._submit, self._note)
