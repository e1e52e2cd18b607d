import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.clients import GRANT_TYPES
from idp.oidc.clients import Client
from idp.oidc.metadata_reader import InvalidClientMetadata
from idp.oidc.metadata_reader import decode
from idp.oidc.provider import GRANTS
from idp.oidc.redirect_uris import faults_of_origin
from idp.oidc.redirect_uris import faults_of_redirect_uri
from idp.oidc.registration import from_stored
from idp.oidc.registration import parse
from idp.oidc.registration import to_metadata

LEAST = {
    "client_name": "Espace retraite",
    "redirect_uris": ["https://retraite.example/callback"],
    "scope": "openid dossier",
}
FULL = LEAST | {
    "client_id": "retraite",
    "token_endpoint_auth_method": "client_secret_basic",
    "grant_types": ["authorization_code"],
    "response_types": ["code"],
    "post_logout_redirect_uris": ["https://retraite.example/bye"],
    "id_token_signed_response_alg": "ES256",
    "subject_type": "public",
    "require_pkce": False,
    "form_action_origins": ["https://other.example", "https://other.example:8443"],
    "client_uri": "https://retraite.example/",
    "initiate_login_uri": "https://retraite.example/login",
    "default_max_age": 0,
    "refresh_grace": 30,
    "contacts": ["equipe@retraite.example"],
    "logo_uri": "https://retraite.example/logo.svg",
    "tos_uri": "https://retraite.example/tos",
    "policy_uri": "https://retraite.example/policy",
    "software_id": "portal",
    "software_version": "4.2",
    "require_issuer_aud": False,
    "first_party": True,
    "backchannel_logout_uri": "https://retraite.example/backchannel",
    "backchannel_logout_session_required": True,
    "frontchannel_logout_uri": "https://retraite.example/frontchannel",
    "frontchannel_logout_session_required": True,
    "resource_identifiers": ["https://api.retraite.example/"],
    "allowed_resources": ["https://api.example/paiements", "urn:example:droits"],
    "jwks_fetch_networks": ["192.0.2.0/24", "203.0.113.7", "2001:db8::/48"],
    "jwks_fetch_agent": "jose/5",
}


def faults(**changes):
    metadata = {name: value for name, value in (LEAST | changes).items() if value is not ...}
    with pytest.raises(InvalidClientMetadata) as refusal:
        parse(metadata)
    return refusal.value.faults


def only_fault(**changes):
    (fault,) = faults(**changes)
    return fault


def test_a_service_that_is_silent_gets_the_defaults_of_its_specifications_and_ours():
    client = parse(LEAST)

    assert client.token_endpoint_auth_method == "client_secret_basic"
    assert client.grant_types == ("authorization_code",)
    assert client.response_types == ("code",)
    assert client.id_token_signed_response_alg == "RS256"
    assert client.subject_type == "pairwise"
    assert client.require_pkce
    assert client.secret_hashes == ()
    assert client.first_party


def test_a_client_id_is_drawn_where_none_is_given_and_never_twice_the_same():
    assert parse(LEAST).client_id != parse(LEAST).client_id


def test_metadata_goes_through_a_client_and_json_and_comes_back_the_same():
    written = to_metadata(parse(FULL))

    assert written == FULL
    assert parse(decode(json.dumps(written))) == parse(FULL)


def test_metadata_never_holds_a_secret():
    client = from_stored(to_metadata(parse(FULL)), ["a-hash"])

    assert client.secret_hashes == ("a-hash",)
    assert "a-hash" not in json.dumps(to_metadata(client))
    assert "a-hash" not in repr(client)


def test_what_is_stored_is_read_back_although_a_newer_version_wrote_more():
    stored = to_metadata(parse(FULL)) | {"member_of_tomorrow": 1}

    assert from_stored(stored, []) == parse(FULL)


def test_every_fault_is_listed_not_the_first_one():
    found = faults(client_name=..., scope="profile", subject_type="both", redirect_uri="typo")

    assert [fault.split(":")[0] for fault in found] == [
        "redirect_uri",
        "client_name",
        "scope",
        "subject_type",
    ]


def test_a_typo_is_refused_by_name_and_does_not_pass_for_a_default():
    assert only_fault(require_pcke=False) == "require_pcke: no such member here; is it a typo?"


def test_a_secret_of_the_services_own_choice_is_refused():
    assert only_fault(client_secret="hunter2").startswith("client_secret: secrets are drawn here")


@pytest.mark.parametrize(
    ("member", "why"),
    [
        ({"require_auth_time": True}, "auth_time is in every ID token"),
        ({"default_acr_values": ["urn:example:acr"]}, "acr is in every ID token"),
    ],
)
def test_a_member_that_would_change_nothing_is_refused_and_not_kept_as_a_promise(member, why):
    assert why in only_fault(**member)


@pytest.mark.parametrize("name", ["client_name", "redirect_uris", "scope"])
def test_what_a_service_cannot_do_without_is_required(name):
    assert only_fault(**{name: ...}).startswith(f"{name}: required")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("client_name", ""),
        ("client_name", " "),
        ("client_name", 7),
        ("client_name", "x" * 101),
        ("client_name", "Banque\u202egro.live"),
        ("client_name", "two\nlines"),
        ("client_id", "ab"),
        ("client_id", "a" * 65),
        ("client_id", "../etc"),
        ("client_id", "with space"),
        ("client_id", None),
        ("redirect_uris", "https://retraite.example/callback"),
        ("redirect_uris", []),
        ("redirect_uris", [7]),
        ("redirect_uris", ["https://retraite.example/"] * 51),
        ("token_endpoint_auth_method", "client_secret_jwt"),
        ("token_endpoint_auth_method", ["none"]),
        ("id_token_signed_response_alg", "none"),
        ("id_token_signed_response_alg", "HS256"),
        ("subject_type", "private"),
        ("require_pkce", "false"),
        ("require_pkce", None),
        ("default_max_age", -1),
        ("default_max_age", True),
        ("default_max_age", 1.5),
        ("default_max_age", None),
        ("scope", ["openid"]),
        ("scope", "openid groups"),
        ("client_uri", "http://retraite.example/"),
        ("client_uri", "https://[retraite.example/"),
        ("logo_uri", "javascript:alert(1)"),
        ("initiate_login_uri", "com.example:/login"),
        ("contacts", ["a\u200bb"]),
        ("grant_types", ["implicit"]),
        ("grant_types", ["authorization_code", "password"]),
        ("grant_types", "authorization_code"),
        ("grant_types", [7]),
        ("refresh_grace", "30"),
        ("response_types", ["token"]),
        ("response_types", ["code", "code id_token"]),
    ],
)
def test_a_member_of_the_wrong_kind_is_refused_by_name(name, value):
    assert faults(**{name: value})[0].split(":")[0].startswith(name)


def test_offline_access_and_the_refresh_grant_are_registered_together():
    grants = ["refresh_token", "authorization_code"]

    client = parse(LEAST | {"scope": "openid offline_access", "grant_types": grants})

    assert client.grant_types == ("authorization_code", "refresh_token")
    assert "go together" in only_fault(scope="openid offline_access")
    assert "go together" in only_fault(grant_types=grants)


API = "https://api.example/paiements"
MACHINE = {
    "client_id": "batch",
    "client_name": "Paiements de nuit",
    "grant_types": ["client_credentials"],
    "scope": "paiements:ecrire paiements:lire",
    "allowed_resources": [API],
}


def test_a_service_without_a_browser_has_no_addresses_and_no_scopes_about_members():
    client = parse(MACHINE)

    assert (client.redirect_uris, client.response_types) == ((), ())
    assert client.api_scopes == ("paiements:ecrire", "paiements:lire")
    assert not client.signs_members_in
    assert client.sector == "batch"
    written = to_metadata(client)
    assert written["response_types"] == []
    assert from_stored(written, []) == client
    assert parse(written) == client


def test_an_api_that_only_looks_at_tokens_has_no_grants_at_all():
    api = {
        "client_id": "api",
        "client_name": "Paiements",
        "grant_types": [],
        "resource_identifiers": [API, "urn:example:paiements"],
    }

    client = parse(api)

    assert (client.grant_types, client.scope, client.response_types) == ((), frozenset(), ())
    assert from_stored(to_metadata(client), []) == client
    with pytest.raises(InvalidClientMetadata, match="without any it could do nothing here"):
        parse({**api, "resource_identifiers": ["https://api.example/#x"]})


def test_a_service_may_sign_members_in_and_ask_for_itself():
    both = LEAST | {
        "grant_types": ["client_credentials", "authorization_code"],
        "scope": "paiements:lire openid",
        "allowed_resources": [API],
    }

    client = parse(both)

    assert client.grant_types == ("authorization_code", "client_credentials")
    assert to_metadata(client)["scope"] == "openid paiements:lire"


@pytest.mark.parametrize(
    ("changes", "named", "said"),
    [
        ({"token_endpoint_auth_method": "none"}, "grant_types", "anybody could ask"),
        ({"redirect_uris": ["https://a.example/cb"]}, "redirect_uris", "leave it out"),
        ({"post_logout_redirect_uris": ["https://a.example/"]}, "post_logout", "leave it out"),
        ({"backchannel_logout_uri": "https://a.example/"}, "backchannel", "leave it out"),
        ({"default_max_age": 60}, "default_max_age", "leave it out"),
        ({"response_types": ["code"]}, "response_types", "expected []"),
        ({"scope": "openid"}, "scope", "'openid' is about members, who are not here"),
        ({"scope": "paiements"}, "scope", "have a colon"),
        ({"scope": 'pa"iements:lire'}, "scope", "have a colon"),
        ({"allowed_resources": []}, "allowed_resources", "expected 1 to 50"),
        ({"allowed_resources": ...}, "allowed_resources", "name the API too"),
        ({"allowed_resources": ["/paiements"]}, "allowed_resources[0]", "https://"),
        ({"allowed_resources": [API + "#a"]}, "allowed_resources[0]", "fragment"),
        ({"allowed_resources": ["urn:"]}, "allowed_resources[0]", "not a URN"),
        ({"allowed_resources": [API, API]}, "allowed_resources[1]", "twice"),
        ({"allowed_resources": [API + "a" * 255]}, "allowed_resources[0]", "255 characters"),
        ({"grant_types": ["client_credentials", "refresh_token"]}, "grant_types", "goes with"),
    ],
)
def test_what_does_not_go_together_with_a_machine_is_refused_with_the_reason(changes, named, said):
    metadata = {name: value for name, value in (MACHINE | changes).items() if value is not ...}

    with pytest.raises(InvalidClientMetadata) as refusal:
        parse(metadata)

    assert any(f.startswith(named) and said in f for f in refusal.value.faults), (
        refusal.value.faults
    )


def test_a_public_application_is_no_api_and_asks_for_nothing_by_its_name_alone():
    fault = only_fault(token_endpoint_auth_method="none", resource_identifiers=[API])

    assert "anybody could ask" in fault


def test_no_member_is_asked_to_consent_to_an_api_that_the_page_cannot_explain():
    fault = only_fault(first_party=False, allowed_resources=[API])

    assert "no words for" in fault
    assert parse(LEAST | {"first_party": False}).first_party is False
    assert parse(MACHINE | {"first_party": False}).allowed_resources == (API,)


def test_every_grant_that_may_be_registered_is_served():
    assert tuple(grant.GRANT_TYPE for grant in GRANTS) == GRANT_TYPES


@pytest.mark.parametrize("network", ["192.0.2.1/24", "example.org", "", "10.0.0.0/8/8", "::g"])
def test_a_network_that_keys_are_fetched_from_is_one(network):
    assert "expected a network or an address" in only_fault(jwks_fetch_networks=[network])


def test_a_user_agent_that_keys_are_fetched_with_is_as_long_as_what_is_noted_of_one():
    assert parse(LEAST | {"jwks_fetch_agent": "a" * 60}).jwks_fetch_agent == "a" * 60
    assert only_fault(jwks_fetch_agent="a" * 61) == "jwks_fetch_agent: 61 characters, 60 at most"


def test_a_refresh_grace_is_none_by_default_and_a_minute_at_most():
    assert parse(LEAST).refresh_grace == 0
    assert parse(LEAST | {"refresh_grace": 60}).refresh_grace == 60
    assert only_fault(refresh_grace=61) == (
        "refresh_grace: expected a whole number of seconds, 0 to 60"
    )


def test_openid_is_among_the_scopes_of_every_service():
    assert "openid is missing" in only_fault(scope="profile dossier")


def test_pkce_may_be_waived_for_a_service_with_a_secret_alone():
    assert not parse(LEAST | {"require_pkce": False}).require_pkce
    assert only_fault(require_pkce=False, token_endpoint_auth_method="none").startswith(
        "require_pkce: false is for services with a secret"
    )


def test_pairwise_subjects_of_redirect_uris_on_two_hosts_are_refused_with_what_to_do():
    two_hosts = ["https://a.example/cb", "https://b.example/cb"]

    fault = only_fault(redirect_uris=two_hosts)

    assert "a.example, b.example" in fault
    assert "subject_type public" in fault
    assert parse(LEAST | {"redirect_uris": two_hosts, "subject_type": "public"})


def test_pairwise_subjects_of_one_host_share_their_sector_whatever_the_path_and_port():
    client = parse(
        LEAST | {"redirect_uris": ["https://A.example/cb", "https://a.example:8443/other"]}
    )

    assert client.sector == "a.example"


def test_pairwise_subjects_of_an_application_and_of_a_site_are_refused():
    mixed = ["com.example.app:/cb", "https://a.example/cb"]

    fault = only_fault(redirect_uris=mixed, token_endpoint_auth_method="none")

    assert "a.example, com.example.app:" in fault


@pytest.mark.parametrize(
    "uris",
    [
        ["com.example.app:/cb"],
        ["http://127.0.0.1/cb", "http://[::1]/cb"],
        ["com.example.app:/cb", "http://127.0.0.1/cb", "http://localhost:3000/cb"],
    ],
)
def test_the_sector_of_an_application_is_the_service_itself(uris):
    client = parse(
        LEAST
        | {
            "client_id": "mobile",
            "redirect_uris": uris,
            "token_endpoint_auth_method": "none",
        }
    )

    assert client.sector == "mobile"


@pytest.mark.parametrize(
    "uri",
    [
        "https://retraite.example",
        "https://retraite.example/callback?tenant=1",
        "https://retraite.example:8443/callback",
        "https://xn--caf-dma.example/callback",
        "https://192.0.2.7/callback",
        "https://retraite.example/a%20b",
        "https://retraite.example/v1.2/.well-known",
        "http://localhost/callback",
        "http://127.0.0.1:8765/callback",
        "http://[::1]:8765/callback",
    ],
)
def test_a_plain_address_may_be_registered(uri):
    assert faults_of_redirect_uri(uri, public=False) == []
    assert faults_of_redirect_uri(uri, public=True) == []


@pytest.mark.parametrize("uri", ["com.example.app:/callback", "com.example.app://callback"])
def test_an_applications_own_scheme_is_for_public_services(uri):
    assert faults_of_redirect_uri(uri, public=True) == []
    assert "keep no secret" in faults_of_redirect_uri(uri, public=False)[0]


@pytest.mark.parametrize(
    ("attack", "uri", "reason"),
    [
        ("open redirect by wildcard", "https://*.example/cb", "wildcard"),
        ("wildcard in the path", "https://a.example/*", "wildcard"),
        ("fragment carries the answer", "https://a.example/cb#x", "fragment"),
        ("empty fragment", "https://a.example/cb#", "fragment"),
        ("code read on the wire", "http://a.example/cb", "plain http"),
        ("loopback as a prefix", "http://127.0.0.1.evil.example/cb", "plain http"),
        ("loopback as a prefix, by name", "http://localhost.evil.example/", "plain http"),
        ("loopback as a user name", "http://localhost@evil.example/", "user name"),
        ("user name in an own scheme", "com.example.app://a@evil.example/", "user name"),
        ("trusted host as a user name", "https://a.example:x@evil.example/", "user name"),
        ("other notation of an address", "https://0x7f.1/cb", "host"),
        ("address as one number", "https://2130706433/cb", "host"),
        ("address with leading zeros", "https://127.0.0.01/cb", "host"),
        ("backslash read as a slash", "https://evil.example\\@a.example/", "backslash"),
        ("script", "javascript:alert(1)", "browser"),
        ("script with a host", "javascript://a.example/%0aalert(1)", "browser"),
        ("document in the address", "data:text/html,x", "browser"),
        ("local file", "file:///etc/passwd", "browser"),
        ("scheme without a domain", "myapp:/cb", "any application"),
        ("scheme alone", "com.example.app:", "nothing follows"),
        ("relative", "/callback", "not absolute"),
        ("relative to the scheme", "//evil.example/cb", "not absolute"),
        ("one slash", "https:/evil.example/cb", "no host"),
        ("no host", "https:///cb", "no host"),
        ("port out of range", "https://a.example:65536/", "port"),
        ("port zero", "https://a.example:0/", "port"),
        ("port with nothing", "https://a.example:/", "port"),
        ("port in letters", "https://a.example:https/", "port"),
        ("other IPv6 loopback", "http://[::ffff:127.0.0.1]/", "host"),
        ("final dot", "https://a.example./", "host"),
        ("escaped host", "https://a%2eexample/", "host"),
        ("dot segments", "https://a.example/app/../evil", "segment"),
        ("escaped dot segments", "https://a.example/app/%2E%2e/evil", "segment"),
        ("line break, header injection", "https://a.example/\r\nSet-Cookie: a=b", "line break"),
        ("trailing line break", "https://a.example/cb\n", "line break"),
        ("space", "https://a.example/c b", "space"),
        ("control character", "https://a.example/\x00", "control"),
        ("quote (authlib.md trap 5)", 'https://a.example/"', "RFC 3986"),
        ("letter that looks like another", "https://\u0430.example/", "ASCII"),
        ("broken escape", "https://a.example/%zz", "hexadecimal"),
        ("unclosed bracket", "https://[::1/cb", "not a URI"),
        ("nothing", "", "characters"),
        ("endless", "https://a.example/" + "a" * 2000, "characters"),
    ],
)
def test_a_redirect_uri_of_an_attack_is_refused_with_the_reason(attack, uri, reason):
    found = faults_of_redirect_uri(uri, public=True)

    assert reason in " ".join(found), attack


def test_the_same_redirect_uri_twice_is_refused():
    fault = only_fault(redirect_uris=["https://a.example/", "https://a.example/"])

    assert fault == "redirect_uris[1]: 'https://a.example/': it is there twice"


def test_addresses_after_sign_out_obey_the_same_rules():
    fault = only_fault(post_logout_redirect_uris=["http://retraite.example/"])

    assert fault.startswith("post_logout_redirect_uris[0]: 'http://retraite.example/': plain http")


@pytest.mark.parametrize(
    "origin",
    ["https://a.example", "https://a.example:8443", "http://localhost:3000", "http://[::1]:80"],
)
def test_an_origin_of_a_form_may_be_registered(origin):
    assert faults_of_origin(origin) == []


@pytest.mark.parametrize(
    "origin",
    [
        "https://a.example/",
        "https://a.example/path",
        "https://a.example?x",
        "https://a.example#x",
        "http://a.example",
        "https://*.example",
        "https:",
        "'unsafe-inline'",
        "https://a.example; script-src *",
        "https://a.example;script-src",
        "https://a.example,https://b.example",
        "a.example",
        "com.example.app://x",
        "",
    ],
)
def test_an_origin_that_would_widen_or_break_the_csp_is_refused(origin):
    assert faults_of_origin(origin)


@pytest.mark.parametrize(
    "document", ["", "{", "[]", '"x"', "1", b"\xff", "[" * 100_000, "NaN,", '{"a": 1} x']
)
def test_a_document_that_is_no_json_object_is_refused(document):
    with pytest.raises(InvalidClientMetadata, match="the document is not"):
        decode(document)


def test_a_member_written_twice_is_refused_and_not_chosen():
    with pytest.raises(InvalidClientMetadata, match="client_name: written twice"):
        decode('{"client_name": "a", "client_name": "b"}')


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(FULL)) | st.text(), _JSON))
def test_whatever_is_sent_is_a_client_or_a_list_of_faults(metadata):
    try:
        outcome = parse(metadata)
    except InvalidClientMetadata as refusal:
        outcome = refusal.faults

    assert isinstance(outcome, Client) or all(fault.isprintable() for fault in outcome)
    assert outcome


@given(st.text(alphabet=st.sampled_from("https:/.@[]\\#?*a1%0x-\t\u0430"), max_size=30))
def test_an_address_that_passes_reads_the_same_to_everybody(tail):
    uri = "https://" + tail

    if faults_of_redirect_uri(uri, public=False) == []:
        host = uri.removeprefix("https://").split("/")[0].split("?")[0].rsplit(":", 1)[0]
        assert host == "[::1]" or set(host) <= set("abcdefghijklmnopqrstuvwxyz0123456789.-")
        assert "#" not in uri


@pytest.mark.parametrize(
    "elsewhere",
    ["https://other.example/front", "https://retraite.example:8443/front"],
)
def test_n2_a_frame_is_of_an_origin_of_the_redirect_uris(elsewhere):
    assert "those of a redirect URI" in only_fault(frontchannel_logout_uri=elsewhere)


@pytest.mark.parametrize("member", ["backchannel_logout_uri", "frontchannel_logout_uri"])
def test_a_logout_address_has_no_fragment(member):
    assert "fragment" in only_fault(**{member: "https://retraite.example/out#there"})


SCRIPTS = {"client_id": "retraite", "token_endpoint_auth_method": "none"}


def test_a_web_origin_is_no_page():
    assert "origin" in only_fault(**SCRIPTS, web_origins=["https://retraite.example/page"])


@pytest.mark.parametrize(
    "origin", ["https://retraite.example", "https://retraite.example:8443", "http://[::1]:5173"]
)
def test_a_web_origin_is_kept_as_browsers_send_it(origin):
    written = to_metadata(parse(LEAST | SCRIPTS | {"web_origins": [origin]}))

    assert written["web_origins"] == [origin]
    assert parse(written).readers == (origin,)


@pytest.mark.parametrize(
    ("origin", "sent"),
    [
        ("https://Retraite.example", "https://retraite.example"),
        ("https://retraite.example:443", "https://retraite.example"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://localhost:80", "http://localhost"),
    ],
)
def test_a_web_origin_that_no_browser_ever_sends_is_told_how_it_is_sent(origin, sent):
    assert f"as {sent}:" in only_fault(**SCRIPTS, web_origins=[origin])


@pytest.mark.parametrize("origin", ["null", "*", "", "https://*.example"])
def test_attack_no_wildcard_and_no_null_is_a_web_origin(origin):
    assert faults(**SCRIPTS, web_origins=[origin])


def test_a_service_with_a_secret_has_no_script_that_calls():
    assert "token_endpoint_auth_method none" in only_fault(web_origins=["https://retraite.example"])
    assert Client("a", "A", web_origins=("https://retraite.example",)).readers == ()
