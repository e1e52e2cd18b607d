"""How redis-cli is told where the store is."""

import pytest

from idp.infra.redis_backup import reached_by


@pytest.mark.parametrize(
    ("url", "options", "password"),
    [
        ("redis://:saule@redis:6379/0", ["-h", "redis", "-p", "6379"], "saule"),
        ("redis://redis", ["-h", "redis"], ""),
        ("unix://:saule@/run/redis.sock?db=2", ["-s", "/run/redis.sock"], "saule"),
        (
            "rediss://idp:p%40ss@redis:6380/1?ssl_ca_certs=/etc/ca.pem",
            ["-h", "redis", "-p", "6380", "--user", "idp", "--tls", "--cacert", "/etc/ca.pem"],
            "p@ss",
        ),
        (
            "rediss://redis?ssl_ca_path=/etc/cas&ssl_certfile=/etc/us.pem&ssl_keyfile=/etc/us.key",
            [
                "-h",
                "redis",
                "--tls",
                "--cacertdir",
                "/etc/cas",
                "--cert",
                "/etc/us.pem",
                "--key",
                "/etc/us.key",
            ],
            "",
        ),
    ],
)
def test_an_address_becomes_options_and_its_password_none_of_them(
    url: str, options: list[str], password: str
) -> None:
    assert reached_by(url) == (options, password)
