"""TURN credentials are coturn's REST form: they name their end and prove the secret."""

from __future__ import annotations

import base64
import hmac

from media.ice import ice_servers
from server.config import Config


def test_credentials_end_soon_and_prove_the_secret() -> None:
    config = Config(turn_urls=("turns:turn.example:443",), turn_secret="s" * 32, turn_ttl_s=300)
    server = ice_servers(config, "v_1", now_s=1_000)[0]
    assert server.username == "1300:v_1"
    expected = hmac.digest(b"s" * 32, b"1300:v_1", "sha1")
    assert base64.b64decode(server.credential) == expected


def test_without_turn_no_server_is_named_and_nobody_is_contacted() -> None:
    assert ice_servers(Config(), "v_1") == []
