"""What a log line holds, and what it never shows."""

import json
import logging
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp import logs

ACCESS_TOKEN = "eyJhbGciOiJFUzI1NiIsImtpZCI6IngifQ.eyJzdWIiOiJhIn0.c2lnbmF0dXJl"
RANDOM = "Vx3n0bQpGkq1l5xJ8yq0m2mU7Zc9sT4wR6fHdEaB1oI"


def lines(written: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in written.splitlines()]


def test_a_line_is_one_json_object_that_names_its_request(capsys):
    logs.configure("INFO")
    token = logs.request_id.set("r-1")

    logging.getLogger("idp.web").info("signed in", extra={"duration_ms": 12})
    logs.request_id.reset(token)
    logging.getLogger("idp.web").info("no request\nhere")

    first, second = lines(capsys.readouterr().err)
    assert first.pop("time").endswith("+00:00")
    assert first == {
        "level": "INFO",
        "logger": "idp.web",
        "message": "signed in",
        "duration_ms": 12,
        "request_id": "r-1",
    }
    assert "request_id" not in second
    assert second["message"] == "no request\nhere"


def test_configuring_twice_writes_each_line_once(capsys):
    logs.configure("INFO")
    logs.configure("INFO")

    logging.getLogger("idp").info("once")

    assert len(lines(capsys.readouterr().err)) == 1


def test_the_level_is_the_one_asked_for(capsys):
    logs.configure("warning")

    logging.getLogger("idp").info("too quiet")
    logging.getLogger("idp").warning("heard")

    assert [line["message"] for line in lines(capsys.readouterr().err)] == ["heard"]


def test_authlib_never_tells_the_tokens_it_issues_even_at_debug(capsys):
    logs.configure("DEBUG")
    noisy = logging.getLogger("authlib.oauth2.rfc6749.grants")
    noisy.setLevel(logging.DEBUG)  # as somebody who looks for a fault would set it

    noisy.debug("Issue token %r to %r", {"access_token": "opaque"}, "client")
    noisy.warning("heard")
    noisy.setLevel(logging.NOTSET)
    logging.getLogger("authlib").debug("Issue token")

    assert [line["message"] for line in lines(capsys.readouterr().err)] == ["heard"]


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Issue token {'access_token': 'abcdef'} to x", "abcdef"),
        (f"got {ACCESS_TOKEN} from x", "c2lnbmF0dXJl"),
        (f"cut {ACCESS_TOKEN[:30]}…", ACCESS_TOKEN[:30]),
        ("GET /cb?code=splxlOBe&state=af0ifjsldkj", "splxlOBe"),
        ("GET /cb?code=splxlOBe&state=af0ifjsldkj", "af0ifjsldkj"),
        ("form password=correct+horse&x=1", "correct"),
        ('{"client_secret": "s3cr3t with spaces"}', "s3cr3t"),
        ("{'password': 'l\u2019été 1998'}", "1998"),
        ("mot_de_passe: soleil", "soleil"),
        ("Authorization: Basic YWZmaWxpZTpzZWNyZXQ=", "YWZmaWxpZTpzZWNyZXQ"),
        ("Bearer 0123abcdEFGH", "0123abcdEFGH"),
        ("postgresql+psycopg://idp:hunter2@db/idp", "hunter2"),
        ("redis://:hunter2@cache:6379/0", "hunter2"),
        (f"session {RANDOM} ended", RANDOM),
        ("dossier 1234567 is closed", "1234567"),
        ("login_hint=affilie:1234567", "1234567"),
        ("dossier1234567", "1234567"),
        ("reversion 123456789.", "123456789"),
        ("typed 123 456 789", "123 456 789"),
        ("verify $argon2id$v=19$m=19456,t=2,p=1$c2FsdA$aGFzaA failed", "aGFzaA"),
        ("verify $2b$12$abcdefghijklmnopqrstuv failed", "abcdefghij"),
        ("MultiDict([('password', 'trois cerises'), ('x', 'y')])", "cerises"),
        ("[(b'password', b'trois cerises')]", "cerises"),
        ("{'password': ['trois cerises', 'deux poires']}", "poires"),
        ("ImmutableMultiDict([('numero_dossier', 'abc')])", "abc"),
        ("password=trois cerises rouges", "cerises"),
        ("password=trois, cerises & poires", "poires"),
        ("password='l'été d'Anne 1998'", "1998"),
        ("password='trois ceris", "ceris"),
        ("mot de passe : trois cerises", "cerises"),
        ('{"body": "{\\"password\\": \\"trois cerises\\"}"}', "cerises"),
        ('{\\"refresh_token\\": \\"trois\\"}', "trois"),
        ("body password%3Dtrois+cerises", "cerises"),
        ("body password%253Dtrois%2Bcerises", "cerises"),
        ("%7B%22password%22%3A%22trois%20cerises%22%7D", "cerises"),
        ("next=%2Fcb%3Fcode%3Dsplxl", "splxl"),
        ("dossier 1.204.816.", "1.204.816"),
        ("dossier 1\u00a0204\u00a0816", "204"),
        ("dossier 1\u202f204\u202f816", "204"),
        ("dossier 12 34 567", "567"),
        ("dossier 123-456-789", "456"),
        ("numero 1+204+816", "204"),
        ("numero 1%C2%A0204%C2%A0816", "204"),
        ("numero%20123456789", "123456789"),
        ("postgresql+psycopg://idp:hunt/er@2@db/idp", "er@2"),
        ("redis://:hunt@er2@cache:6379/0", "er2"),
        ("smtp://idp@fund.example:hunter2@mail", "hunter2"),
    ],
)
def test_what_looks_like_a_secret_or_a_dossier_number_is_hidden(text, secret):
    assert secret not in logs.redact(text)
    assert "[hidden]" in logs.redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "gunicorn listens at http://localhost:8000 (4242)",
        "SQL: OperationalError",
        "12345 rows in 3.4 s, 12345678 bytes",
        "request 0b8f2c1e-5f0a-4b8e-9e55-d6b1f1a0c9aa refused: the store is away",
        "2026-11-20T08:00:00+00:00",
        "the answer has the status code: 404",
        "from 192.0.2.10, 192.168.100.200 and 10.100.200.1",
        "valkey 8.1.4, Python 3.11.2, 24-11-2026",
        "('qualite', 'affilie')",
    ],
)
def test_ordinary_words_and_numbers_stay_readable(text):
    assert logs.redact(text) == text


def test_an_error_code_and_a_long_function_name_are_told(capsys):
    logs.configure("INFO")
    name = "test_a_person_who_typed_the_number_of_another_category_is_told"

    logging.getLogger("idp").error("in %s", name, extra={"code": "unavailable", "status": 503})

    (line,) = lines(capsys.readouterr().err)
    assert (line["message"], line["code"], line["status"]) == (f"in {name}", "unavailable", 503)


def test_a_traceback_and_added_fields_are_searched_too(capsys):
    logs.configure("INFO")

    try:
        raise ValueError("no dossier 1234567")
    except ValueError:
        logging.getLogger("idp").exception(
            "failed", extra={"form": {"password": "soleil", "n": [1234567]}, "token": "abc"}
        )

    written = capsys.readouterr().err
    assert "1234567" not in written
    assert "soleil" not in written
    assert "abc" not in written
    (line,) = lines(written)
    assert "ValueError" in str(line["exc_info"])


@given(st.integers(0, 9_999_999), st.sampled_from(["", " ", "«", "/", "=", "n°", "e", "_"]))
def test_no_seven_digit_number_gets_through_whatever_stands_around_it(number, around):
    written = f"{number:07d}"

    assert written not in logs.redact(f"x{around}{written}{around}y")


PIECES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "password",
                "Mot de passe",
                "numero_dossier",
                "tokens",
                "secret",
                "code",
                "login_hint",
                "=",
                ":",
                " : ",
                "', ",
                "', '",
                '"',
                "'",
                "\\",
                "%3D",
                "%253a",
                "%22",
                "%20",
                "&x=",
                "[",
                "]",
                "[hidden]",
                "b'",
                "\n",
                "://",
                "@",
                "/",
                "eyJhbGciOi",
                "Basic ",
                "$2b$",
                "1234567",
                "1.204.816",
                "1\u00a0204\u00a0816",
                "12",
                "3",
                "-",
                ".",
                "+",
                "a" * 40,
                RANDOM,
                ACCESS_TOKEN,
            ]
        ),
        st.text(max_size=4),
    ),
    max_size=14,
).map("".join)


@given(PIECES)
def test_what_a_net_catches_is_never_passed_over_by_the_first_look(text):
    caught = any(pattern.search(text) for pattern, _ in logs._NETS)

    assert not caught or logs._SUSPECT.search(text)


@given(st.integers(0, 9_999_999), st.sampled_from([" ", "\u00a0", "\u202f", "."]))
def test_no_grouped_number_gets_through(number, space):
    digits = f"{number:07d}"
    written = space.join((digits[0], digits[1:4], digits[4:]))

    assert written not in logs.redact(f"dossier {written}.")


@pytest.mark.parametrize(
    "around",
    ["password=", "'", "://a:", "1 ", "1.", "%25", "\\", "eyJ", "[b'", "&", "secret:'", "Aa1-"],
)
def test_a_long_line_made_to_be_slow_is_not(around):
    began = time.perf_counter()

    logs.redact(around * (64 * 1024 // len(around)) + "=")

    assert time.perf_counter() - began < 2


@given(st.one_of(st.text(max_size=300), PIECES))
def test_redacting_never_fails_and_what_is_hidden_stays_hidden(text):
    once = logs.redact(text)

    assert logs.redact(once) == once
