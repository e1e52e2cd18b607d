from datetime import UTC
from datetime import datetime
from datetime import timedelta
from pathlib import Path

import pytest

from idp.settings import InvalidSettings
from idp.settings import Settings
from idp.settings import misspelt_settings
from idp.settings import read_settings

ISSUER = "https://connexion.example"
SPANS = [name for name, field in Settings.model_fields.items() if field.annotation is timedelta]


@pytest.fixture(autouse=True)
def _nothing_of_this_machine(monkeypatch):
    for name in Settings.model_fields:
        monkeypatch.delenv(f"IDP_{name.upper()}", raising=False)
    monkeypatch.delenv("IDP_ENV_FILE", raising=False)


def refusal(**given):
    with pytest.raises(InvalidSettings) as refused:
        read_settings(**{"issuer": ISSUER, **given})
    return str(refused.value)


def test_the_issuer_alone_is_enough():
    settings = read_settings(issuer=ISSUER)

    assert settings.issuer == ISSUER
    assert settings.keys_path == Path("data/keys")
    assert settings.secrets_path == Path("data/secrets")
    assert settings.is_loopback is False


def test_without_an_issuer_the_refusal_names_it():
    with pytest.raises(InvalidSettings, match=r"^IDP_ISSUER: Field required$"):
        read_settings()


def test_every_fault_is_named_at_once():
    told = refusal(issuer="x", trusted_proxies=-1, argon2_passes="many")

    assert [line.partition(":")[0] for line in told.splitlines()] == [
        "IDP_ISSUER",
        "IDP_ARGON2_PASSES",
        "IDP_TRUSTED_PROXIES",
    ]


def test_an_answer_that_always_passes_is_for_loopback_only():
    told = refusal(anti_robot_answer="oui")

    assert told == "IDP_ANTI_ROBOT_ANSWER: it is for tests, on a loopback issuer only"
    assert read_settings(issuer="http://localhost:8000", anti_robot_answer="oui")


def test_an_anti_robot_that_never_asks_is_for_loopback_only_robots():
    # At ``network_limit`` failures the network is held: asked from later on, nobody ever is.
    told = refusal(anti_robot_from=31)

    assert told.startswith("IDP_ANTI_ROBOT_FROM: expected IDP_NETWORK_LIMIT at most")
    assert read_settings(issuer=ISSUER, anti_robot_from=30)
    assert read_settings(issuer="http://localhost:8000", anti_robot_from=31)


@pytest.mark.parametrize(
    "networks", ["", "10.20.0.0/16", "127.0.0.0/8, ::1/128", "fd00:20::/48,192.0.2.7"]
)
def test_private_networks_are_read(networks):
    assert read_settings(issuer=ISSUER, services_private_networks=networks)


@pytest.mark.parametrize("networks", ["10.0.0.1/8", "private", "10.0.0.0/33", "10.0.0.0/8;::1"])
def test_what_is_no_network_is_refused(networks):
    told = refusal(services_private_networks=networks)

    assert told.startswith("IDP_SERVICES_PRIVATE_NETWORKS: networks separated by commas")


def test_a_refusal_never_shows_what_stands_in_the_environment():
    assert "hunter2" not in refusal(session_idle="hunter2")


@pytest.mark.parametrize(
    "issuer",
    [
        "https://connexion.example",
        "https://connexion.example:8443",
        "http://localhost:8000",
        "http://127.0.0.1:8000",
        "http://[::1]:8000",
    ],
)
def test_an_issuer_is_an_https_origin_or_loopback(issuer):
    assert read_settings(issuer=issuer).issuer == issuer


@pytest.mark.parametrize(
    "issuer",
    [
        "",
        "connexion.example",
        "https://",
        "https://connexion.example/",
        "https://connexion.example/idp",
        "https://connexion.example?x=1",
        "https://connexion.example#x",
        "https://somebody@connexion.example",
        "ftp://connexion.example",
        "http://connexion.example",
        "http://localhost.example",
        "http://127.0.0.1.example",
        "https://connexion.example ",
        "https://connexion.example\n",
        "HTTPS://connexion.example",
        "https://Connexion.example",
        "https://connexion.example:0x50",
        "https://connexion.example:99999",
        "https://connexion.example:0",
        "https://-connexion.example",
        "https://connexion.example:",
        "https://connexion.example?",
        "https://connexion.example#",
        "https://@connexion.example",
        "https://connexion.example:443",
        "http://localhost:80",
        "https://connexion.example:0443",
        "https://connexion.example:08443",
    ],
)
def test_authlib_trap_17_any_other_issuer_is_refused(issuer):
    assert refusal(issuer=issuer).startswith("IDP_ISSUER: ")


@pytest.mark.parametrize("name", SPANS)
def test_a_span_is_a_number_of_seconds(name, monkeypatch):
    default = Settings.model_fields[name].default
    seconds = int(default.total_seconds())
    monkeypatch.setenv(f"IDP_{name.upper()}", f" {seconds} ")

    assert getattr(read_settings(issuer=ISSUER), name) == default


@pytest.mark.parametrize("name", SPANS)
@pytest.mark.parametrize("value", ["0", "-60", "-PT1S"])
def test_a_span_of_nothing_is_refused(name, value):
    # Redis keeps nothing for no time: every sign-in would fail instead of the start.
    assert refusal(**{name: value}).startswith(f"IDP_{name.upper()}: ")


@pytest.mark.parametrize("name", SPANS)
@pytest.mark.parametrize("value", ["99999999999", "999999999999999999", "9" * 5000, "P999999D"])
def test_a_span_beyond_what_dates_hold_is_refused_in_plain_words(name, value):
    told = refusal(**{name: value})

    assert told.startswith(f"IDP_{name.upper()}: ")
    assert told.endswith(" seconds at most")


def test_the_longest_span_is_three_years():
    assert read_settings(issuer=ISSUER, session_absolute="94867200").session_absolute.days == 1098
    assert refusal(session_absolute="94867201") == "IDP_SESSION_ABSOLUTE: 94867200 seconds at most"


def test_a_digit_that_is_no_number_is_told_so():
    assert refusal(session_idle="3²") == "IDP_SESSION_IDLE: a whole number of seconds"


@pytest.mark.parametrize(
    ("name", "last", "beyond"),
    [
        ("code_lifetime", "60", "61"),
        ("access_token_lifetime", "3600", "3601"),
        ("id_token_lifetime", "3600", "3601"),
        ("argon2_memory_kib", "19456", "19455"),
        ("argon2_memory_kib", "131072", "131073"),
        ("argon2_passes", "2", "1"),
        ("argon2_passes", "4", "5"),
        ("hash_pool_size", "1", "0"),
        ("hash_pool_queue", "1", "0"),
        ("trusted_proxies", "0", "-1"),
        ("trusted_proxies", "8", "9"),
        ("account_day_limit", "25", "26"),
        ("account_day_limit", "5", "4"),
        ("network_limit", "5", "4"),
        ("client_secret_limit", "5", "4"),
    ],
)
def test_a_weak_or_dangerous_value_is_refused_and_its_neighbour_is_not(name, last, beyond):
    read_settings(issuer=ISSUER, **{name: last})

    assert refusal(**{name: beyond}).startswith(f"IDP_{name.upper()}: ")


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("session_idle", "0", "IDP_SESSION_IDLE: 1 second or more"),
        ("session_idle", "soon", "IDP_SESSION_IDLE: a whole number of seconds"),
        ("code_lifetime", "61", "IDP_CODE_LIFETIME: 60 seconds at most"),
        ("audit_retention", "1", "IDP_AUDIT_RETENTION: 15811200 seconds or more"),
        ("trusted_proxies", "9", "IDP_TRUSTED_PROXIES: 8 at most"),
        ("issuer", "http://a.example", "IDP_ISSUER: https (http is for a loopback address only)"),
    ],
)
def test_a_refusal_is_told_in_plain_words(name, value, told):
    assert refusal(**{name: value}) == told


@pytest.mark.parametrize(
    "url",
    [
        "",
        "sqlite:////srv/idp.sqlite",
        "postgresql+psycopg://idp:p:a@sql.example:5432/idp",
        "postgresql+psycopg://idp@[::1]:5432/idp",
        "postgresql+psycopg:///idp?host=/run/postgresql",
    ],
)
def test_a_database_url_names_a_store_we_serve(url):
    assert read_settings(issuer=ISSUER, database_url=url).database_url == url


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "mysql://x",
        "sqlite://",
        "sqlite:///",
        "postgresql+psycopg://a:hunter2@b:port/c",
        "postgresql+psycopg://a:hunter2@b:99999/c",
    ],
)
def test_another_database_url_is_refused_without_being_shown(url):
    told = refusal(database_url=url)

    assert told.startswith("IDP_DATABASE_URL: postgresql+psycopg://user")
    assert "hunter2" not in told


@pytest.mark.parametrize("url", ["postgresql://sql/idp", "postgres://sql/idp"])
def test_a_database_url_without_its_driver_is_told_what_to_write(url):
    assert "write postgresql+psycopg://" in refusal(database_url=url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "redis://redis:6379/0",
        "redis://redis/",
        "redis://idp:p%2Fa@redis:6379?db=1",
        "rediss://:p@redis.example:6379",
        "rediss://redis/0?ssl_ca_certs=/etc/ca.pem&ssl_cert_reqs=required",
        "unix:///run/valkey.sock",
        "unix://:p@/run/valkey.sock?db=2",
    ],
)
def test_a_redis_url_names_a_store_we_serve(url):
    assert read_settings(issuer=ISSUER, redis_url=url).redis_url == url


@pytest.mark.parametrize(
    "url",
    [
        "foo",
        "http://redis",
        "redis://",
        "redis://redis:port",
        "redis://redis:99999",
        "redis://redis:0",
        "redis://redis/1x",
        "redis://redis/0/1",
        "redis://redis?foo=bar",
        "redis://redis?socket_timeout=abc",
        "redis://redis?socket_timeout=60",
        "redis://redis?db=x",
        "redis://redis?ssl_ca_certs=/etc/ca.pem",
        "rediss://redis?ssl_cert_reqs=maybe",
        "unix://",
        "unix://?db=1",
        "unix:///run/valkey.sock?foo=bar",
    ],
)
def test_another_redis_url_is_refused(url):
    assert refusal(redis_url=url).startswith("IDP_REDIS_URL: redis://")


def test_a_file_of_settings_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setenv("IDP_ENV_FILE", "nowhere/idp.env")

    assert refusal() == "IDP_ENV_FILE: no such file: nowhere/idp.env"


@pytest.mark.parametrize("name", ["affilie_pattern", "ayant_droit_pattern"])
def test_a_pattern_that_is_no_regular_expression_is_refused(name):
    assert "not a regular expression" in refusal(**{name: "[0-9"})


@pytest.mark.parametrize("pattern", ["", "[0-9]*"])
def test_a_pattern_that_takes_no_number_for_one_is_refused(pattern):
    told = refusal(affilie_pattern=pattern)

    assert told == "IDP_AFFILIE_PATTERN: a pattern that the empty text does not match"


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning"])
def test_a_log_level_has_no_case(level):
    assert read_settings(issuer=ISSUER, log_level=level).log_level == level.upper()


def test_a_log_level_that_is_none_is_refused():
    assert refusal(log_level="LOUD").startswith("IDP_LOG_LEVEL: ")


def test_the_redesign_is_an_instant_in_utc_where_no_zone_is_said():
    assert read_settings(issuer=ISSUER, redesign_at="2021-03-01").redesign_at == datetime(
        2021, 3, 1, tzinfo=UTC
    )
    read = read_settings(issuer=ISSUER, redesign_at="2021-03-01T00:00:00+01:00").redesign_at
    assert read == datetime(2021, 2, 28, 23, tzinfo=UTC)


def test_without_a_database_url_the_embedded_file_is_used(tmp_path):
    settings = read_settings(issuer=ISSUER, data_dir=tmp_path)

    assert settings.sql_url == f"sqlite:///{tmp_path / 'idp.sqlite'}"
    assert read_settings(issuer=ISSUER, database_url="postgresql+psycopg://x").sql_url == (
        "postgresql+psycopg://x"
    )


def test_given_outranks_the_environment_which_outranks_the_file(tmp_path, monkeypatch):
    file = tmp_path / "idp.env"
    file.write_text("IDP_FUND_NAME=file\nIDP_NETWORK_LIMIT=40\nIDP_SUPPORT_PHONE=0123\n")
    monkeypatch.setenv("IDP_ENV_FILE", str(file))
    monkeypatch.setenv("IDP_NETWORK_LIMIT", "50")
    monkeypatch.setenv("IDP_FUND_NAME", "environment")

    settings = read_settings(issuer=ISSUER, fund_name="given")

    assert (settings.fund_name, settings.network_limit, settings.support_phone) == (
        "given",
        50,
        "0123",
    )


def test_settings_cannot_be_changed_once_read():
    settings = read_settings(issuer=ISSUER)

    with pytest.raises(ValueError, match="frozen"):
        settings.issuer = "https://evil.example"


STORES = {
    "database_url": "postgresql+psycopg://idp:hunter2@sql/idp",
    "redis_url": "rediss://:hunter2@redis:6379/0",
}


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize("way", ["environment", "file", "file of settings", "file named in it"])
def test_the_address_of_a_store_may_come_from_the_environment_or_from_a_file(
    name, way, tmp_path, monkeypatch
):
    setting, value = f"IDP_{name.upper()}", STORES[name]
    secret, settings = tmp_path / "secret", tmp_path / "env"
    secret.write_text(f"{value}\n")
    match way:
        case "environment":
            monkeypatch.setenv(setting, value)
        case "file":
            monkeypatch.setenv(f"{setting}_FILE", str(secret))
        case "file of settings":
            settings.write_text(f"{setting}={value}\n")
            monkeypatch.setenv("IDP_ENV_FILE", str(settings))
        case _:
            settings.write_text(f"{setting}_FILE={secret}\n")
            monkeypatch.setenv("IDP_ENV_FILE", str(settings))

    assert getattr(read_settings(issuer="https://connexion.example.org"), name) == value
    assert misspelt_settings() == []


@pytest.mark.parametrize("name", STORES)
@pytest.mark.parametrize(
    ("both", "content", "told"),
    [
        (True, b"redis://redis", "both are set; keep one of them"),
        (False, b" \n", "is empty"),
        (False, b"\xff", "not UTF-8"),
        (False, None, "No such file or directory"),
    ],
)
def test_a_secret_that_is_said_twice_or_not_at_all_is_named_and_never_shown(
    name, both, content, told, tmp_path, monkeypatch
):
    setting, secret = f"IDP_{name.upper()}", tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)
    if both:
        monkeypatch.setenv(setting, STORES[name])
    monkeypatch.setenv(f"{setting}_FILE", str(secret))

    with pytest.raises(InvalidSettings) as refused:
        read_settings(issuer="https://connexion.example.org")

    assert f"{setting}_FILE" in str(refused.value)
    assert told in str(refused.value)
    assert "hunter2" not in str(refused.value)


FRANCECONNECT = {
    "franceconnect_issuer": "https://oidc.franceconnect.example/api/v2",
    "franceconnect_client_id": "carpimko",
    "franceconnect_client_secret_file": Path("secret"),
}


def test_franceconnect_is_whole_or_absent():
    assert read_settings(issuer=ISSUER).franceconnect_issuer == ""
    assert read_settings(issuer=ISSUER, **FRANCECONNECT).franceconnect_acr == "eidas1"

    for name in ("franceconnect_client_id", "franceconnect_client_secret_file"):
        rest = {given: value for given, value in FRANCECONNECT.items() if given != name}
        assert f"IDP_{name.upper()}" in refusal(**rest)
    told = refusal(franceconnect_client_id="carpimko")
    assert told == "IDP_FRANCECONNECT_ISSUER: not set, and others of FranceConnect are"
    assert refusal(franceconnect_private_key_file=Path("key")) == told


def test_we_prove_ourselves_to_franceconnect_in_one_way():
    told = refusal(**FRANCECONNECT, franceconnect_private_key_file=Path("key"))

    assert told.endswith("set one of them, and not both")


@pytest.mark.parametrize("simulator", ["http://127.0.0.1:9000/api/v2", "https://localhost/api/v2"])
def test_anybody_could_be_anybody_a_simulator_serves_no_real_issuer(simulator):
    given = {**FRANCECONNECT, "franceconnect_issuer": simulator}

    assert refusal(**given).endswith("a simulator serves a loopback issuer only")
    assert read_settings(**{"issuer": "http://localhost:8000", **given})


@pytest.mark.parametrize(
    "issuer",
    [
        "oidc.example", "http://oidc.example/api", "https://oidc.example/", "https://oidc.example/a/",
        "https://oidc.example?x", "https://oidc.example#x", "https://a@oidc.example",
        "https://oidc.example/a b", "https://oidc.example:443/api", " https://oidc.example",
    ],
)  # fmt: skip
def test_the_issuer_of_franceconnect_is_an_https_address_without_its_end(issuer):
    assert refusal(**{**FRANCECONNECT, "franceconnect_issuer": issuer}).startswith(
        "IDP_FRANCECONNECT_ISSUER: "
    )


@pytest.mark.parametrize("scope", ["", "identite_pivot", "openid  gender", "openid profile&x=1"])
def test_what_is_asked_of_franceconnect_is_words_with_openid(scope):
    assert refusal(franceconnect_scope=scope).startswith("IDP_FRANCECONNECT_SCOPE: words")
