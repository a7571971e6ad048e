"""A secret shows itself nowhere by accident."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle

import pytest

from mobileip.control.security import MobilitySecurityAssociation, Secret
from mobileip.control.types import Spi

KEY = b"correct horse battery staple"


def test_text_is_the_same_for_every_secret() -> None:
    for secret in (Secret(KEY), Secret(b""), Secret(b"\x00" * 100)):
        assert {repr(secret), str(secret), f"{secret}", f"{secret!a}"} == {"Secret(...)"}


def test_association_does_not_show_its_key() -> None:
    association = MobilitySecurityAssociation(Spi(256), Secret(KEY))
    shown = [
        repr(association),
        str(dataclasses.asdict(association)),
        json.dumps(dataclasses.asdict(association), default=str),
    ]
    for text in shown:
        assert "Secret(...)" in text
        assert "horse" not in text and KEY.hex() not in text


def test_json_and_pickle_refuse() -> None:
    with pytest.raises(TypeError):
        json.dumps(Secret(KEY))
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))


def test_equality_is_by_value_and_copies_are_the_same() -> None:
    secret = Secret(KEY)
    assert secret == Secret(KEY) and secret != Secret(KEY[:-1]) and secret != KEY
    assert copy.deepcopy(secret) is copy.copy(secret) is secret
    assert hash(secret) == hash(Secret(b"other"))
    assert secret.reveal() == KEY


def test_there_is_no_other_way_in() -> None:
    assert not hasattr(Secret(KEY), "__dict__")
    with pytest.raises(TypeError):
        bytes(Secret(KEY))  # type: ignore[call-overload]
