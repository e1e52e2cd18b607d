"""Which registered redirect URI an address is: whole strings, and the port of a native client."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.redirect_uris import is_of_a_device
from idp.oidc.redirect_uris import registered_as

NATIVE = ("http://127.0.0.1/cb", "http://[::1]/cb", "com.example.app:/cb", "https://a.example/cb")


def found(asked, registered=NATIVE, *, public=True):
    return registered_as(asked, registered, public=public)


@pytest.mark.parametrize("uri", NATIVE)
@pytest.mark.parametrize("public", [True, False])
def test_what_is_registered_is_found_to_the_letter(uri, public):
    assert found(uri, public=public) == uri


@pytest.mark.parametrize("port", ["1", "80", "8080", "51004", "65535"])
@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
def test_a_native_client_on_loopback_takes_any_port(host, port):
    assert found(f"http://{host}:{port}/cb") == f"http://{host}/cb"


@pytest.mark.parametrize(
    ("registered", "asked"),
    [
        ("http://127.0.0.1", "http://127.0.0.1:51004"),
        ("http://127.0.0.1/", "http://127.0.0.1:51004/"),
        ("http://127.0.0.1?tenant=1", "http://127.0.0.1:51004?tenant=1"),
        ("http://[::1]/a/b?c=d&e", "http://[::1]:51004/a/b?c=d&e"),
    ],
)
def test_all_but_the_port_is_the_same(registered, asked):
    assert found(asked, (registered,)) == registered


def test_a_registered_port_counts():
    registered = ("http://127.0.0.1:8765/cb",)

    assert found("http://127.0.0.1:8765/cb", registered) == registered[0]
    for other in ("http://127.0.0.1:8766/cb", "http://127.0.0.1/cb", "http://127.0.0.1:80/cb"):
        assert found(other, registered) == ""


def test_a_client_with_a_secret_is_no_native_client():
    assert found("http://127.0.0.1:51004/cb", public=False) == ""


@pytest.mark.parametrize(
    ("attack", "asked"),
    [
        ("loopback as a user name", "http://127.0.0.1@evil.example/cb"),
        ("loopback and port as a user name", "http://127.0.0.1:80@evil.example/cb"),
        ("user name on loopback", "http://a@127.0.0.1:51004/cb"),
        ("user and password on loopback", "http://a:b@127.0.0.1:51004/cb"),
        ("loopback as a prefix", "http://127.0.0.1.evil.example/cb"),
        ("loopback as a prefix, with a port", "http://127.0.0.1.evil.example:80/cb"),
        ("port as a prefix of a name", "http://127.0.0.1:80.evil.example/cb"),
        ("port zero", "http://127.0.0.1:0/cb"),
        ("port too high", "http://127.0.0.1:65536/cb"),
        ("port far too high", "http://127.0.0.1:70000/cb"),
        ("port with leading zeros", "http://127.0.0.1:00080/cb"),
        ("port negative", "http://127.0.0.1:-1/cb"),
        ("port with nothing", "http://127.0.0.1:/cb"),
        ("port in other digits", "http://127.0.0.1:\u0661\u0662/cb"),
        ("port in fullwidth digits", "http://127.0.0.1:\uff18\uff10/cb"),
        ("port with a space", "http://127.0.0.1: 80/cb"),
        ("port with a line break", "http://127.0.0.1:80\n/cb"),
        ("two ports", "http://127.0.0.1:80:81/cb"),
        ("escaped port", "http://127.0.0.1:%38%30/cb"),
        ("localhost in its stead", "http://localhost/cb"),
        ("localhost with a port", "http://localhost:51004/cb"),
        ("localhost as a prefix", "http://localhost.evil.example:51004/cb"),
        ("final dot", "http://127.0.0.1.:51004/cb"),
        ("other address of loopback", "http://127.0.0.2:51004/cb"),
        ("shorter notation", "http://127.1:51004/cb"),
        ("octal notation", "http://0177.0.0.1:51004/cb"),
        ("hexadecimal notation", "http://0x7f.0.0.1:51004/cb"),
        ("one number", "http://2130706433:51004/cb"),
        ("every address", "http://0.0.0.0:51004/cb"),
        ("escaped address", "http://127%2e0%2e0%2e1:51004/cb"),
        ("longer IPv6", "http://[0:0:0:0:0:0:0:1]:51004/cb"),
        ("IPv4 in IPv6", "http://[::ffff:127.0.0.1]:51004/cb"),
        ("IPv6 with a zone", "http://[::1%25lo]:51004/cb"),
        ("IPv6 without brackets", "http://::1:51004/cb"),
        ("every IPv6 address", "http://[::]:51004/cb"),
        ("scheme in capitals", "HTTP://127.0.0.1:51004/cb"),
        ("https, whose certificate nobody has", "https://127.0.0.1:51004/cb"),
        ("port at a site", "https://a.example:51004/cb"),
        ("another path", "http://127.0.0.1:51004/other"),
        ("path in capitals", "http://127.0.0.1:51004/CB"),
        ("path with a slash more", "http://127.0.0.1:51004/cb/"),
        ("path with two slashes", "http://127.0.0.1:51004//cb"),
        ("path by a detour", "http://127.0.0.1:51004/x/../cb"),
        ("escaped path", "http://127.0.0.1:51004/%63b"),
        ("no path", "http://127.0.0.1:51004"),
        ("a query", "http://127.0.0.1:51004/cb?next=1"),
        ("an empty query", "http://127.0.0.1:51004/cb?"),
        ("a fragment", "http://127.0.0.1:51004/cb#x"),
        ("backslash after the port", "http://127.0.0.1:51004\\@evil.example/cb"),
        ("fragment after the port", "http://127.0.0.1:51004#@evil.example/cb"),
        ("space before", " http://127.0.0.1:51004/cb"),
        ("line break after", "http://127.0.0.1:51004/cb\n"),
        ("own scheme in capitals", "COM.EXAMPLE.APP:/cb"),
        ("own scheme with more slashes", "com.example.app:///cb"),
        ("own scheme with a host", "com.example.app://cb"),
        ("own scheme with a port", "com.example.app://127.0.0.1:51004/cb"),
        ("own scheme with a tail", "com.example.app:/cb?x"),
        ("longer scheme", "com.example.app.evil:/cb"),
    ],
)
def test_attack_what_only_looks_like_a_registered_address_is_none(attack, asked):
    assert found(asked) == "", attack


def test_localhost_is_compared_whole_because_a_device_may_name_another_so():
    registered = ("http://localhost/cb",)

    assert found("http://localhost/cb", registered) == registered[0]
    assert found("http://localhost:51004/cb", registered) == ""


@given(st.text(alphabet="htp:/127.0[]@#?%\\localcb \n9", max_size=40))
def test_whatever_is_asked_only_digits_and_a_colon_differ_from_what_is_registered(tail):
    asked = f"http://127.0.0.1{tail}"

    if match := found(asked):
        port = asked.removeprefix("http://127.0.0.1").removesuffix("/cb")
        assert match == "http://127.0.0.1/cb"
        assert port == "" or 1 <= int(port.removeprefix(":")) <= 65535


@pytest.mark.parametrize(
    ("registered", "public", "expected"),
    [
        ("com.example.app:/cb", True, True),
        ("http://127.0.0.1/cb", True, True),
        ("http://[::1]", True, True),
        ("http://127.0.0.1/cb", False, False),
        ("http://127.0.0.1:8765/cb", True, False),
        ("http://localhost/cb", True, False),
        ("https://a.example/cb", True, False),
    ],
)
def test_an_address_of_a_device_may_be_answered_by_any_application(registered, public, expected):
    assert is_of_a_device(registered, public=public) is expected
