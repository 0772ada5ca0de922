"""Impossible settings refuse to start and name the key; secrets never come from the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from server.__main__ import EX_CONFIG, main
from server.config import Config, ConfigError, load

SITE = '[sites.bank]\norigins = ["https://www.bank.example"]\n'


def written(tmp_path: Path, text: str) -> Path:
    file = tmp_path / "talknow.toml"
    file.write_text(text)
    return file


def test_defaults_run_the_embedded_node_without_a_file() -> None:
    config = load(None, {}, {})
    assert (config.port, config.media_port, config.demo_at, config.viewer_at) == (8080, 8080, 8081, 8082)


def test_flags_win_over_environment_and_environment_over_the_file(tmp_path: Path) -> None:
    file = written(tmp_path, "port = 1000\ndrain_s = 1.5\n")
    config = load(file, {"port": 3000}, {"TALKNOW_PORT": "2000", "TALKNOW_TURN_URLS": ""})
    assert (config.port, config.drain_s) == (3000, 1.5)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ('[sites.bank]\nname = "x"\n', "sites.bank.origins"),
        ('[sites.bank]\norigins = ["*"]\n', "sites.bank.origins"),
        ('[sites.bank]\norigins = ["https://bank.example/"]\n', "sites.bank.origins"),
        ("prot = 1\n", "prot"),
        ("port = 70000\n", "port"),
        ('host = "0.0.0.0"\n', "tls_cert"),
        ('tls_cert = "x"\n', "tls_cert"),
        ('public_ip = "here"\n', "public_ip"),
        ('trusted_proxies = ["10.0.0.1/8"]\n', "trusted_proxies"),
        ('turn_urls = ["turn:x"]\n', "turn_secret"),
        ('turn_secret = "in the file is wrong"\n', "turn_secret"),
        ("port = \n", "talknow.toml"),
        (SITE + "relay_only = true\n", "sites.bank.relay_only"),
        (SITE + "offer_timeout_s = 0\n", "offer_timeout_s"),
        (SITE + '[[sites.bank.token_keys]]\nkid = "a"\nalgorithm = "none"\nkey = "x"\n', "algorithm"),
        (SITE + '[[sites.bank.token_keys]]\nkid = "a"\nalgorithm = "HS256"\nkey = "short"\n', "key"),
        (SITE + '[[sites.bank.token_keys]]\nkid = "a"\nalgorithm = "EdDSA"\n', "key_file"),
    ],
)
def test_an_impossible_setting_is_named(
    tmp_path: Path, text: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    file = written(tmp_path, text)
    with pytest.raises(ConfigError, match=key.replace(".", r"\.")):
        load(file, {}, {})
    assert main(["check-config", "--config", str(file)]) == EX_CONFIG
    assert key in capsys.readouterr().err


def test_a_good_configuration_is_said_to_be_fine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check-config", "--config", str(written(tmp_path, SITE))]) == 0
    assert "bank" in capsys.readouterr().out


def test_every_setting_is_explained_where_it_is_declared() -> None:
    about = Config.__doc__ or ""
    operate = (Path(__file__).parents[2] / "docs/operate.md").read_text()
    for name in Config.__struct_fields__:
        assert f"`{name}`" in operate, f"docs/operate.md does not explain {name}"
    assert about


def test_relayed_media_alone_and_direct_calls_exclude_each_other(tmp_path: Path) -> None:
    file = written(tmp_path, f'turn_urls = ["turn:x"]\n{SITE}relay_only = true\ndirect_calls = true\n')
    with pytest.raises(ConfigError, match=r"sites\.bank\.direct_calls"):
        load(file, {}, {"TALKNOW_TURN_SECRET": "0123456789abcdef"})
