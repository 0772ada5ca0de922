"""The samples in deploy/ are taken by nginx, systemd and YAML readers, and say what the docs promise."""

from __future__ import annotations

import re
import shutil
import subprocess
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import yaml

from server.config import Config, load

ROOT = Path(__file__).parents[1]
SAMPLES = ROOT / "deploy/nodes"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_nginx_takes_its_sample(tmp_path: Path) -> None:
    """With a certificate made here, and nodes that are loopback: names are looked up when it starts."""
    tls = tmp_path / "tls"
    tls.mkdir()
    (tmp_path / "logs").mkdir()
    made = [
        "-keyout",
        str(tls / "key.pem"),
        "-out",
        str(tls / "cert.pem"),
        "-days",
        "1",
        "-subj",
        "/CN=talk.example.com",
    ]
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *made)
    text = (SAMPLES / "nginx.conf").read_text()
    text = text.replace("/etc/nginx/tls", str(tls))
    text = re.sub(r"server node(\d):", r"server 127.0.0.\1:", text)
    text = text.replace("listen 443 ssl", "listen 127.0.0.1:8443 ssl")
    sample = tmp_path / "nginx.conf"
    sample.write_text(text)
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    told = run(
        program, "-t", "-p", str(tmp_path), "-c", str(sample), "-g", f"pid {tmp_path}/pid; error_log stderr;"
    )
    assert "test is successful" in told


def test_systemd_takes_its_sample(tmp_path: Path) -> None:
    unit = tmp_path / "talknow@1.service"
    unit.write_text((SAMPLES / "talknow@.service").read_text())
    told = run("systemd-analyze", "verify", "--man=no", str(unit))
    assert "talknow@1.service" not in told, told


def environments(service: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in service["environment"].items() if key.startswith("TALKNOW_")}


def test_compose_gives_every_node_its_own_addresses_and_the_same_shared_ones() -> None:
    whole = yaml.safe_load((SAMPLES / "compose.yaml").read_text())
    services = whole["services"]
    nodes = {name: environments(service) for name, service in services.items() if name.startswith("node")}
    assert len(nodes) == 3
    for own in ("TALKNOW_LINK_ADDRESS", "TALKNOW_PUBLIC_UDP_PORT"):
        assert len({settings[own] for settings in nodes.values()}) == 3
    for name, settings in nodes.items():
        assert settings["TALKNOW_LINK_ADDRESS"] == f"{name}:8083"
        assert services[name]["ports"] == [f"{settings['TALKNOW_PUBLIC_UDP_PORT']}:8080/udp"]
        assert services[name]["stop_grace_period"] == "30s"
        assert {key.removeprefix("TALKNOW_").lower() for key in settings} <= set(Config.__struct_fields__)
    (network,) = whole["networks"]["default"]["ipam"]["config"]
    trusted = load(SAMPLES / "talknow.toml", {"host": "0.0.0.0"}, {}).trusted_proxies
    assert any(ip_network(network["subnet"]).subnet_of(ip_network(proxy)) for proxy in trusted)  # type: ignore[arg-type]
    for shared in ("TALKNOW_DATABASE_URL", "TALKNOW_REDIS_URL", "TALKNOW_KEYS_DIR"):
        assert len({settings[shared] for settings in nodes.values()}) == 1


def test_kubernetes_drains_before_it_kills() -> None:
    kinds = {part["kind"]: part for part in yaml.safe_load_all((SAMPLES / "kubernetes.yaml").read_text())}
    assert kinds["PodDisruptionBudget"]["spec"]["maxUnavailable"] == 1
    pod = kinds["StatefulSet"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    user = pod["securityContext"]
    assert f"USER {user['runAsUser']}:{user['runAsGroup']}\n" in (SAMPLES / "Dockerfile").read_text()
    assert user["fsGroup"] == user["runAsGroup"], "who may read the keys"
    waits = int(container["lifecycle"]["preStop"]["exec"]["command"][1])
    drains = Config().drain_s + 2
    assert pod["terminationGracePeriodSeconds"] >= waits + 2 * drains
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    settings = {
        one["name"].removeprefix("TALKNOW_").lower() for one in container["env"] if "TALKNOW" in one["name"]
    }
    assert settings <= set(Config.__struct_fields__)
    assert {"database_url", "redis_url", "keys_dir", "link_address", "public_ip"} <= settings
    ports = {(port["name"], port["containerPort"]) for port in container["ports"]}
    assert {("http", 8080), ("viewer", 8082), ("link", 8083), ("media", 8080)} == ports


def test_the_shared_settings_are_taken() -> None:
    config = load(SAMPLES / "talknow.toml", {"host": "0.0.0.0"}, {})
    assert config.public_url and config.viewer_url and config.sites["bank"].origins


def test_the_image_copies_every_package() -> None:
    text = (SAMPLES / "Dockerfile").read_text()
    for package in ("signaling", "media", "cobrowse", "server", "benchmarks", "demo", "requirements"):
        assert f"COPY {package} {package}" in text
