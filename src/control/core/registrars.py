"""A mobile node's registrations: where it is, where it is going and where it has been (RFC 5944 s3.6.1.2).

Nearly always there is one. With simultaneous bindings a better place is registered beside the present one, and when
that is accepted, the place that was left is deregistered.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mobileip.control.core.actions import Action, Noted
from mobileip.control.core.attachment import Attachment
from mobileip.control.core.identity import Entropy, Identity, MobileNodeSettings
from mobileip.control.core.refusals import Refusals
from mobileip.control.core.registrar import Registrar
from mobileip.control.core.ways import place
from mobileip.control.reasons import Reason
from mobileip.control.types import Instant
from mobileip.control.wire import RegistrationReply

_LAST_TRIES = 3  # requests to deregister a binding that we have left


@dataclass(frozen=True, slots=True)
class _Coming:
    """A place that is registered while the present one still works."""

    attachment: Attachment
    registrar: Registrar


class Registrars:
    """The registrar of the ``present`` place, and beside it those of the next and the last one."""

    def __init__(
        self, settings: MobileNodeSettings, identity: Identity, refusals: Refusals, entropy: Entropy
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._refusals = refusals
        self._entropy = entropy
        self.present = self._new()
        self._coming: _Coming | None = None
        self._spare: Registrar | None = None  # of a coming place given up: knows when it asked last (s3.6.3)
        self._going: Registrar | None = None  # deregisters the place that was left last

    def _new(self) -> Registrar:
        return Registrar(self._settings, self._identity, self._refusals, self._entropy)

    def __iter__(self) -> Iterator[Registrar]:
        registrars = [self.present]
        if self._coming is not None:
            registrars.append(self._coming.registrar)
        if self._going is not None:
            registrars.append(self._going)
        return iter(registrars)

    def reconfigure(self, settings: MobileNodeSettings) -> None:
        self._settings = settings
        for registrar in self:
            registrar.reconfigure(settings)

    @property
    def coming(self) -> Attachment | None:
        """The place that is registered while the present one still works."""
        return None if self._coming is None else self._coming.attachment

    def is_coming(self, registrar: Registrar) -> bool:
        return self._coming is not None and self._coming.registrar is registrar

    def is_going(self, registrar: Registrar) -> bool:
        return registrar is self._going

    def awaiting(self, reply: RegistrationReply) -> Registrar:
        """Whose pending request ``reply`` answers; the present one if nobody's."""
        return next((registrar for registrar in self if registrar.awaits(reply)), self.present)

    def next_deadlines(self) -> list[int | None]:
        return [registrar.next_deadline() for registrar in self]

    def on_tick(self, now: Instant) -> list[Action]:
        actions: list[Action] = []
        for registrar in self:
            actions += registrar.on_tick(now)
        if self._going is not None and self._going.silences >= _LAST_TRIES:
            self._going = None  # the binding runs out by itself
        return actions

    def on_challenge(self, now: Instant) -> list[Action]:
        """An agent may have told a challenge that one of them waits for."""
        return [action for registrar in self for action in registrar.on_challenge(now)]

    # ---- moves

    def move(self, target: Attachment | None, now: Instant) -> list[Action]:
        """``target`` is the present place at once, no other one counts; its request, unless that is on its way."""
        coming, self._coming = self._coming, None
        self._going = None
        if coming is not None and coming.attachment == target:
            coming.registrar.keep_others(False)
            self.present = coming.registrar
            return []
        if coming is not None:
            self._spare = coming.registrar
        self.present.attach(target)
        return self.present.request_soon(now)

    def approach(self, target: Attachment, now: Instant) -> list[Action]:
        """Register at ``target`` beside the present binding."""
        if self.coming == target:
            return []
        registrar = self._spare if self._coming is None else self._coming.registrar
        if self._going is not None and self._going.is_at(target):
            # Said again, its farewell would remove what is asked for now.
            registrar, self._going = self._going, None
        if registrar is None:
            registrar = self._new()
        self._coming, self._spare = _Coming(target, registrar), None
        registrar.attach(target)
        registrar.keep_others(True)
        self.present.keep_others(True)  # a renewal meanwhile must not remove the other one
        fields = {"interface": target.interface, **place(target)}
        return [Noted(Reason.REGISTERING_BESIDE, fields), *registrar.request_soon(now)]

    def arrive(self, now: Instant) -> list[Action]:
        """The coming place is the present one; the old binding is given up if the home agent kept it."""
        assert self._coming is not None
        old, self.present = self.present, self._coming.registrar
        self._coming = None
        self.present.keep_others(False)
        if self.present.registration is None or not self.present.registration.beside:
            return []
        self._going = old
        return old.leave(now)

    def stay(self, now: Instant) -> list[Action]:
        """The coming place is no longer better. What it has registered, a request without S bit removes."""
        if self._coming is None:
            return []
        self._spare = self._coming.registrar
        self._coming = None
        self.present.keep_others(False)
        return self.present.request_soon(now)

    def gone(self) -> None:
        """The place that was left last has no binding any more."""
        self._going = None

    def forget_others(self) -> bool:
        """Nothing but the present place counts any more; was there something else?"""
        several = self._coming is not None or self._going is not None
        self._coming = self._going = None
        return several
