"""Whether nodes are who they say they are, asked of RADIUS servers (RFC 4721 s8, RFC 2865 s5.3, s5.40)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from mobileip.control.aaa.attributes import Client, accepts, chap_request, conclusion
from mobileip.control.aaa.avpairs import Unsaid
from mobileip.control.aaa.radius import Exchange
from mobileip.control.aaa.servers import NoAnswer, Note, Patience, Server, ServerStatus
from mobileip.control.aaa.sources import Found, Unavailable
from mobileip.control.core.actions import VerifyProof
from mobileip.control.core.events import KeysFound, ProofAccepted, ProofRejected, ProofUnverified
from mobileip.control.core.proofs import ProofEvent
from mobileip.control.reasons import Reason


class RadiusVerifier:
    """Asks the first of ``servers`` that answers, and gives ``submit`` one answer for each question.

    ``unsaid``: an acceptance may hold keys of the node, read with these defaults; ``None``: they are passed over.
    """

    def __init__(
        self,
        servers: tuple[Server, ...],
        patience: Patience,
        client: Client,
        unsaid: Unsaid | None,
        submit: Callable[[ProofEvent], None],
        note: Note,
    ) -> None:
        self._exchange: Final = Exchange(servers, patience, note, "RADIUS server")
        self._client: Final = client
        self._unsaid: Final = unsaid
        self._submit: Final = submit
        self._note: Final = note
        self._asked: Final[dict[asyncio.Task[None], VerifyProof]] = {}

    def servers(self) -> tuple[ServerStatus, ...]:
        return self._exchange.status()

    @property
    def under_way(self) -> tuple[VerifyProof, ...]:
        """What is asked and not answered yet."""
        return tuple(self._asked.values())

    def ask(self, question: VerifyProof) -> None:
        """Begin to ask; the answer comes later, and not before this returns."""
        task = asyncio.get_running_loop().create_task(self._ask(question))
        self._asked[task] = question
        task.add_done_callback(self._asked.pop)

    async def close(self) -> None:
        """Stop asking; questions under way are not answered any more."""
        tasks = tuple(self._asked)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._exchange.close()

    async def _ask(self, question: VerifyProof) -> None:
        try:
            event = await self._verify(question)
        except Exception as error:  # a fault of ours must not leave a request waiting
            event = ProofUnverified(question, f"fault: {type(error).__name__}; please report it")
        self._submit(event)

    async def _verify(self, question: VerifyProof) -> ProofEvent:
        user, spi = str(question.user), None if self._unsaid is None else question.spi
        try:
            server, answer = await self._exchange.ask(
                lambda identifier, secret: chap_request(
                    identifier, secret, user, question.chap, self._client, question.home_address, spi
                )
            )
        except NoAnswer as error:
            return ProofUnverified(question, str(error))
        except ValueError as error:  # a name longer than an attribute
            return ProofUnverified(question, f"RADIUS cannot be asked: {error}")
        found, refused = conclusion(answer, self._unsaid or Unsaid(), question.spi)
        if isinstance(found, Unavailable):
            return ProofUnverified(question, found.why)
        if not accepts(answer):
            return ProofRejected(question)
        if self._unsaid is None:
            return ProofAccepted(question)
        if refused:
            fields = {"peer": user, "server": server.endpoint, "error": "; ".join(refused)}
            self._note(Reason.AAA_KEY_MALFORMED, fields)
        if not isinstance(found, Found):
            return ProofAccepted(question)
        told = (found.associations, "radius", found.lifetime_s, found.spi, found.home_address)
        return ProofAccepted(question, KeysFound(question.user, *told))
