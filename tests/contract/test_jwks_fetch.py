"""Keys fetched from services: what is refused on the way, what is kept and for how long."""

import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from ipaddress import ip_network

import pytest

from idp.infra.jwks_fetch import BODY_LIMIT
from idp.infra.jwks_fetch import KEPT_SECONDS
from idp.infra.jwks_fetch import LOOK_EVERY_SECONDS
from idp.infra.jwks_fetch import STALE_SECONDS
from idp.infra.jwks_fetch import HttpsFetch
from idp.infra.jwks_fetch import KeysNotFetched
from idp.infra.jwks_fetch import RemoteKeys
from idp.infra.service_calls import ServiceCalls
from idp.infra.service_calls import UnreadableAuthorities
from tests.fakes import client
from tests.key_publisher import KeyPublisher
from tests.key_publisher import answering
from tests.key_publisher import dripping
from tests.service_signer import ServiceSigner

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
OLD, NEW = ServiceSigner(), ServiceSigner(kid="k2", number=1)
PATIENCE = 0.4


def https_fetch(**how):
    return HttpsFetch(ServiceCalls(**how))


@pytest.fixture
def publisher(tmp_path):
    made = KeyPublisher(tmp_path)
    yield made
    made.close()


@pytest.fixture
def fetch(publisher):
    return https_fetch(private_networks=LOOPBACK, ca_file=publisher.ca_file, seconds=PATIENCE)


@pytest.fixture
def names(monkeypatch):
    """What names lead to, as their owner decides at each question."""
    answers = {}
    real = socket.getaddrinfo

    def ask(host, port, *args, **kwargs):
        if host not in answers:
            return real(host, port, *args, **kwargs)
        addresses = answers[host].pop(0) if len(answers[host]) > 1 else answers[host][0]
        return [
            (
                socket.AF_INET6 if ":" in one else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (one, port),
            )
            for one in addresses
        ]

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return answers


def refused(fetch, uri):
    began = time.monotonic()
    with pytest.raises(KeysNotFetched) as refusal:
        fetch.get(uri)
    assert time.monotonic() - began < PATIENCE + 1
    return str(refusal.value)


class TestFetch:
    def test_a_document_comes_as_it_is_published(self, publisher, fetch):
        publisher.publish(OLD.jwk())

        assert fetch.get(f"{publisher.uri}?version=2") == {"keys": [OLD.jwk()]}
        line, *headers = publisher.asked[0].split("\r\n")
        assert line == "GET /jwks?version=2 HTTP/1.1"
        assert f"Host: localhost:{publisher.port}" in headers

    def test_an_answer_in_chunks_is_put_together(self, publisher, fetch):
        publisher.answer = lambda peer: peer.sendall(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            b'3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n'
        )

        assert fetch.get(publisher.uri) == {"a": 1}

    @pytest.mark.parametrize("uri", ["http://localhost/jwks", "file:///etc/passwd", "https:///x"])
    def test_only_https_is_fetched(self, fetch, uri):
        assert refused(fetch, uri) == "the address is not https://"

    @pytest.mark.parametrize("status", ["301", "302", "303", "307", "308"])
    def test_ssrf_a_redirect_is_not_followed(self, publisher, fetch, status):
        to = f"Location: https://localhost:{publisher.port}/elsewhere\r\n"
        publisher.answer = answering(b"{}", status=f"{status} Found", headers=to)

        told = refused(fetch, publisher.uri)

        assert told == f"localhost: status {status}, and redirects are not followed"
        assert len(publisher.asked) == 1

    @pytest.mark.parametrize("status", ["404 Not Found", "500 Error", "204 No Content"])
    def test_another_status_than_200_is_no_answer(self, publisher, fetch, status):
        publisher.answer = answering(b"", status=status)

        assert refused(fetch, publisher.uri) == f"localhost: status {status[:3]}"

    @pytest.mark.parametrize(
        "address",
        [
            "127.0.0.1", "127.8.8.8", "0.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1",
            "169.254.169.254", "100.64.0.1", "192.0.0.1", "198.18.0.1", "224.0.0.1", "240.0.0.1",
            "255.255.255.255", "::1", "::", "fc00::1", "fe80::1", "fec0::1", "ff02::1",
            "::ffff:127.0.0.1", "::ffff:10.1.2.3", "::127.0.0.1", "64:ff9b::7f00:1",
            "2002:7f00:1::", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1",
        ],
    )  # fmt: skip
    def test_ssrf_a_name_that_leads_into_a_private_network_is_not_asked(self, names, address):
        names["keys.example"] = [[address]]

        told = refused(https_fetch(seconds=PATIENCE), "https://keys.example/jwks?secret=1")

        assert told == (
            "keys.example: it leads into a network that is not public"
            " (IDP_SERVICES_PRIVATE_NETWORKS)"
        )

    @pytest.mark.parametrize("address", ["127.0.0.1", "[::1]", "2130706433", "0x7f.1", "localhost"])
    def test_ssrf_an_address_of_this_machine_however_it_is_written(self, publisher, address):
        fetch = https_fetch(ca_file=publisher.ca_file, seconds=PATIENCE)

        assert "not public" in refused(fetch, f"https://{address}:{publisher.port}/jwks")
        assert publisher.asked == []

    def test_ssrf_one_private_address_among_public_ones_is_enough(self, names, publisher):
        names["keys.example"] = [["93.184.216.34", "127.0.0.1"]]
        fetch = https_fetch(ca_file=publisher.ca_file, seconds=PATIENCE)

        assert "not public" in refused(fetch, f"https://keys.example:{publisher.port}/jwks")

    def test_ssrf_dns_rebinding_the_connection_goes_where_was_looked(self, names, tmp_path):
        publisher = KeyPublisher(tmp_path, "keys.example")
        publisher.publish(OLD.jwk())
        # The first answer may be asked, and every later one would lead elsewhere.
        names["keys.example"] = [["127.0.0.1"], ["10.0.0.1"]]
        allowed = https_fetch(
            private_networks=LOOPBACK, ca_file=publisher.ca_file, seconds=PATIENCE
        )

        assert allowed.get(f"https://keys.example:{publisher.port}/jwks")
        assert names["keys.example"] == [["10.0.0.1"]]
        publisher.close()

    def test_ssrf_dns_rebinding_the_other_way_reaches_nothing_here(self, names, publisher):
        names["keys.example"] = [["192.0.2.1"], ["127.0.0.1"]]
        fetch = https_fetch(
            private_networks=(ip_network("192.0.2.0/24"),),
            ca_file=publisher.ca_file,
            seconds=PATIENCE,
        )

        refused(fetch, f"https://keys.example:{publisher.port}/jwks")

        assert publisher.asked == []

    def test_a_private_network_that_a_setting_allows_and_no_other(self, names, publisher):
        fetch = https_fetch(
            private_networks=(ip_network("10.20.0.0/16"),),
            ca_file=publisher.ca_file,
            seconds=PATIENCE,
        )
        names["keys.example"] = [["10.21.0.1"]]

        assert "not public" in refused(fetch, publisher.uri)
        assert "not public" in refused(fetch, "https://keys.example/jwks")

    def test_the_next_address_is_tried_when_the_first_does_not_answer(self, names, tmp_path):
        publisher = KeyPublisher(tmp_path, "keys.example")
        names["keys.example"] = [["::1", "127.0.0.1"]]
        publisher.publish(OLD.jwk())
        fetch = https_fetch(private_networks=LOOPBACK, ca_file=publisher.ca_file)

        assert fetch.get(f"https://keys.example:{publisher.port}/jwks")
        publisher.close()

    def test_a_certificate_that_nobody_trusts_is_refused(self, publisher):
        fetch = https_fetch(private_networks=LOOPBACK, seconds=PATIENCE)

        assert refused(fetch, publisher.uri) == "localhost: SSLCertVerificationError"
        assert publisher.asked == []

    def test_a_certificate_of_another_name_is_refused(self, publisher, fetch, names):
        names["keys.example"] = [["127.0.0.1"]]

        told = refused(fetch, f"https://keys.example:{publisher.port}/jwks")

        assert told == "keys.example: SSLCertVerificationError"

    @pytest.mark.parametrize("known_length", [True, False])
    def test_a_huge_body_is_given_up(self, publisher, fetch, known_length):
        body = b'"' + b"a" * BODY_LIMIT + b'"'
        publisher.answer = answering(body)
        if not known_length:
            publisher.answer = lambda peer: peer.sendall(b"HTTP/1.0 200 OK\r\n\r\n" + body)

        assert refused(fetch, publisher.uri) == f"localhost: more than {BODY_LIMIT} bytes"

    def test_a_body_of_exactly_the_limit_is_read(self, publisher, fetch):
        publisher.answer = answering(b'"' + b"a" * (BODY_LIMIT - 2) + b'"')

        assert len(fetch.get(publisher.uri)) == BODY_LIMIT - 2

    @pytest.mark.parametrize(
        "start",
        [
            b"",
            b"HTTP/1.1 200 OK\r\nX-Slow: ",
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5000\r\n",
            b'HTTP/1.1 200 OK\r\n\r\n{"keys":[]}',
        ],
    )
    def test_a_slow_answer_is_cut_off_however_often_a_byte_comes(self, publisher, fetch, start):
        publisher.answer = dripping(start)

        assert refused(fetch, publisher.uri) == "localhost: it took too long"

    def test_who_takes_the_connection_and_says_nothing_is_given_up(self, tmp_path):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            fetch = https_fetch(private_networks=LOOPBACK, seconds=PATIENCE)

            assert refused(fetch, f"https://127.0.0.1:{port}/") == "127.0.0.1: it took too long"

    def test_a_name_server_that_says_nothing_is_given_up(self, monkeypatch):
        heard = threading.Event()
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: heard.wait(5) and [])

        told = refused(https_fetch(seconds=PATIENCE), "https://keys.example/jwks")

        heard.set()
        assert told == "keys.example: it took too long"

    @pytest.mark.parametrize("host", ["keys.invalid", "a" * 64 + ".example"])
    def test_a_name_that_does_not_exist(self, fetch, host, names):
        if host == "keys.invalid":
            names[host] = [[]]

        assert refused(fetch, f"https://{host}/jwks").endswith(": the name is unknown")

    @pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 60_000, b"<html>"])
    def test_what_is_no_json_is_refused(self, publisher, fetch, body):
        publisher.answer = answering(body)

        assert refused(fetch, publisher.uri) == "localhost: the answer is not JSON"

    @pytest.mark.parametrize(
        "answer", [b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n"]
    )
    def test_what_is_no_http_is_refused(self, publisher, fetch, answer):
        publisher.answer = lambda peer: peer.sendall(answer)

        assert refused(fetch, publisher.uri).startswith("localhost: ")

    def test_a_refusal_never_tells_the_query_of_the_address(self, publisher, fetch):
        for body, status in ((b"{", "200 OK"), (b"", "302 Found")):
            publisher.answer = answering(body, status=status)
            assert "key=abc" not in refused(fetch, f"{publisher.uri}?key=abc")
        publisher.close()
        assert "key=abc" not in refused(fetch, f"{publisher.uri}?key=abc")

    def test_authorities_that_cannot_be_read_refuse_the_start(self, tmp_path):
        (tmp_path / "empty.pem").write_text("")
        for name in ("missing.pem", "empty.pem"):
            with pytest.raises(UnreadableAuthorities, match="IDP_SERVICES_CA_FILE"):
                https_fetch(ca_file=tmp_path / name)

    def test_no_proxy_of_the_environment_is_asked(self, publisher, fetch, monkeypatch):
        monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
        publisher.publish()

        assert fetch.get(publisher.uri) == {"keys": []}


class Watched:
    """Keys kept under a clock that tests move."""

    def __init__(self, publisher):
        self.publisher = publisher
        self.at = 1000.0
        self.client = client(jwks_uri=publisher.uri)
        fetch = https_fetch(private_networks=LOOPBACK, ca_file=publisher.ca_file, seconds=1)
        self.remote = RemoteKeys(fetch, monotonic=lambda: self.at)

    def kids(self):
        return [key.kid for key in self.remote.keys(self.client)]

    def other_kids(self):
        tried = self.remote.keys(self.client)
        return [key.kid for key in self.remote.look_again(self.client, tried)]

    @property
    def fetches(self):
        return len(self.publisher.asked)


@pytest.fixture
def watched(publisher):
    publisher.publish(OLD.jwk())
    return Watched(publisher)


class TestKept:
    def test_keys_are_fetched_once_in_ten_minutes(self, watched):
        assert watched.kids() == ["k1"]
        watched.publisher.publish(NEW.jwk())

        watched.at += KEPT_SECONDS - 0.001
        assert watched.kids() == ["k1"]
        watched.at += 0.001
        assert watched.kids() == ["k2"]
        assert watched.fetches == 2

    def test_d15_an_unknown_key_is_looked_for_at_once_thirty_seconds_apart(self, watched):
        watched.kids()
        watched.publisher.publish(NEW.jwk())

        watched.at += LOOK_EVERY_SECONDS - 0.001
        assert watched.other_kids() == []
        watched.at += 0.001
        assert watched.other_kids() == ["k2"]
        assert watched.other_kids() == []
        assert watched.fetches == 2

    def test_made_up_keys_cost_the_service_two_fetches_a_minute(self, watched):
        for _ in range(60):
            watched.at += 1
            watched.other_kids()

        assert watched.fetches <= 3

    @pytest.mark.parametrize(
        "answer", [answering(b"", status="503 Busy"), answering(b"{}"), answering(b"[]")]
    )
    def test_keys_stay_good_for_an_hour_while_they_cannot_be_fetched(self, watched, answer):
        watched.kids()
        watched.publisher.answer = answer

        watched.at += STALE_SECONDS - 0.001
        assert watched.kids() == ["k1"]
        watched.at += 0.001
        assert watched.kids() == []

    def test_a_service_that_cannot_be_asked_is_asked_again_after_thirty_seconds(self, watched):
        good, watched.publisher.answer = watched.publisher.answer, answering(b"{")
        assert watched.kids() == []
        watched.publisher.answer = good

        watched.at += LOOK_EVERY_SECONDS - 0.001
        assert watched.kids() == []
        watched.at += 0.001
        assert watched.kids() == ["k1"]

    def test_a_key_that_is_published_no_more_is_good_no_more(self, watched):
        watched.kids()
        watched.publisher.publish()

        watched.at += KEPT_SECONDS
        assert watched.kids() == []

    def test_keys_that_verify_nothing_are_left_out(self, watched):
        watched.publisher.publish(OLD.key.as_dict(private=True), OLD.jwk(use="enc"), NEW.jwk())

        assert watched.kids() == ["k2"]

    def test_an_operator_reads_why_and_never_the_query(self, watched, caplog):
        watched.client = client(jwks_uri=f"{watched.publisher.uri}?key=abc")
        watched.publisher.answer = answering(b"{")

        with caplog.at_level(logging.WARNING, "idp"):
            watched.kids()

        assert caplog.messages == ["jwks_uri of cotisations: localhost: the answer is not JSON"]

    def test_many_requests_at_once_make_one_fetch_and_all_have_its_keys(self, watched):
        with ThreadPoolExecutor(8) as pool:
            found = list(pool.map(lambda _: watched.kids(), range(8)))

        assert found == [["k1"]] * 8
        assert watched.fetches == 1

    def test_many_requests_with_a_new_key_at_once_make_one_fetch_and_all_find_it(self, watched):
        tried = watched.remote.keys(watched.client)
        watched.publisher.publish(NEW.jwk())
        watched.at += LOOK_EVERY_SECONDS

        with ThreadPoolExecutor(8) as pool:
            found = list(
                pool.map(lambda _: watched.remote.look_again(watched.client, tried), range(8))
            )

        assert [[key.kid for key in keys] for keys in found] == [["k2"]] * 8
        assert watched.fetches == 2

    def test_while_a_slow_service_is_asked_the_others_go_on_with_its_old_keys(self, watched):
        watched.kids()
        slow = threading.Event()
        body = json.dumps({"keys": [NEW.jwk()]}).encode()

        def answer(peer):
            slow.wait(5)
            answering(body)(peer)

        watched.publisher.answer = answer
        watched.at += KEPT_SECONDS
        with ThreadPoolExecutor(1) as pool:
            first = pool.submit(watched.kids)
            while watched.fetches < 2:
                time.sleep(0.005)
            assert watched.kids() == ["k1"]
            slow.set()
            assert first.result() == ["k2"]
        assert watched.kids() == ["k2"]
