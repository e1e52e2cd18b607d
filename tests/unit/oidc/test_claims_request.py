import json

import pytest
from authlib.oauth2.rfc6749.errors import InvalidRequestError
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.claims import CLAIMS_OF
from idp.oidc.claims_request import CLAIMS_LIMIT
from idp.oidc.claims_request import DEEPEST
from idp.oidc.claims_request import ClaimsRequest
from idp.oidc.claims_request import claims_request
from idp.oidc.params import Params
from tests.fakes import client

EVERYTHING = {"userinfo": dict.fromkeys(c for claims in CLAIMS_OF.values() for c in claims)}


def read(claims, *, asked_scope="openid", **registered):
    """Read what a service sends: text as it is, all else as JSON."""
    text = claims if isinstance(claims, str) else json.dumps(claims)
    return claims_request(
        Params.of([("claims", text), ("scope", asked_scope)]), client(**registered)
    )


def refused(claims):
    with pytest.raises(InvalidRequestError) as refusal:
        read(claims)
    return refusal.value.description


def nested(levels):
    return '{"x":' * levels + "1" + "}" * levels


class TestWhatIsAskedFor:
    def test_without_the_parameter_nothing_is(self):
        assert read("") == ClaimsRequest()
        assert read({}) == ClaimsRequest()

    def test_claims_are_told_apart_by_where_they_are_wanted(self):
        asked = read(
            {
                "userinfo": {"name": {"essential": True}, "email": None},
                "id_token": {"given_name": {"essential": False}},
            }
        )

        assert asked == ClaimsRequest(userinfo=("email", "name"), id_token=("given_name",))

    def test_names_that_nobody_knows_are_ignored_wherever_they_stand(self):
        asked = read(
            {
                "userinfo": {
                    "http://example.info/claims/groups": None,
                    "picture": None,
                    "Name": None,
                },
                "id_token": {"auth_time": {"essential": True}, "account_id": None, "iss": None},
                "verified_claims": [1, 2],
            }
        )

        assert asked == ClaimsRequest()

    def test_members_of_a_wish_that_nobody_knows_are_ignored(self):
        assert read({"userinfo": {"name": {"purpose": "x", "value": 3}}}).userinfo == ("name",)

    @pytest.mark.parametrize("tag", ["#fr", "#FR-ca", "#ja-Kana-JP"])
    def test_a_language_tag_asks_for_the_claim_that_has_no_language(self, tag):
        assert read({"userinfo": {f"name{tag}": None, "name": None}}).userinfo == ("name",)

    @pytest.mark.parametrize("tag", ["#", "#f", "#fr_FR", "#fr-", "#fr#en", "# fr"])
    def test_what_is_no_language_tag_makes_an_unknown_name(self, tag):
        assert read({"userinfo": {f"name{tag}": None}}).userinfo == ()


class TestWhatMayBeAskedFor:
    def test_a_service_of_the_fund_may_ask_for_all_that_its_registered_scopes_open(self):
        assert set(read(EVERYTHING).userinfo) == set(EVERYTHING["userinfo"])

    def test_privilege_escalation_no_service_asks_beyond_its_registration_claim_by_claim(self):
        registered = frozenset({"openid", "email", "api:read"})

        asked = read(
            {"userinfo": EVERYTHING["userinfo"], "id_token": EVERYTHING["userinfo"]},
            asked_scope="openid profile dossier",
            scope=registered,
        )

        assert asked.userinfo == asked.id_token == CLAIMS_OF["email"]

    def test_consent_bypass_a_service_of_others_asks_within_the_scope_that_is_shown(self):
        def others(asked_scope):
            return read(EVERYTHING, asked_scope=asked_scope, first_party=False).userinfo

        assert others("openid") == ()
        assert others("openid email") == CLAIMS_OF["email"]


class TestPerson:
    @pytest.mark.parametrize("member", ["userinfo", "id_token"])
    @pytest.mark.parametrize("wish", [{"value": "anne"}, {"values": ["anne"]}])
    def test_a_person_that_is_named_is_the_only_one_taken(self, member, wish):
        asked = read({member: {"sub": wish}})

        assert asked.subs == ("anne",)
        assert asked.takes_person("anne")
        assert not asked.takes_person("jean")

    @pytest.mark.parametrize("wish", [None, {}, {"essential": True}])
    def test_where_none_is_named_anybody_is_taken(self, wish):
        assert read({"id_token": {"sub": wish}}).takes_person("anyone")

    def test_one_of_several_may_be_meant(self):
        asked = read({"id_token": {"sub": {"value": "anne", "values": ["jean", "anne"]}}})

        assert asked.subs == ("anne", "jean")

    def test_two_members_that_name_persons_mean_those_of_both(self):
        anne_or_jean = {"sub": {"values": ["anne", "jean"]}}
        jean = {"sub": {"value": "jean"}}

        assert read({"userinfo": anne_or_jean, "id_token": jean}).subs == ("jean",)

    def test_nobody_can_be_two_persons(self):
        said = refused({"userinfo": {"sub": {"value": "a"}}, "id_token": {"sub": {"value": "b"}}})

        assert "two different persons" in said

    @pytest.mark.parametrize(
        "wish", [{"value": 7}, {"value": None}, {"value": ""}, {"values": []}, {"values": ["a", 1]}]
    )
    def test_a_person_who_cannot_be_is_refused_and_never_taken_for_anybody(self, wish):
        assert "sub must be strings" in refused({"userinfo": {"sub": wish}})


class TestLevel:
    def test_a_level_is_insisted_on_when_it_is_essential_in_the_id_token(self):
        asked = read({"id_token": {"acr": {"essential": True, "values": ["high", "higher"]}}})

        assert asked.acr_values == ("high", "higher")
        assert asked.takes_level("higher")
        assert not asked.takes_level("low")

    @pytest.mark.parametrize(
        "claims",
        [
            {"id_token": {"acr": {"values": ["high"]}}},
            {"id_token": {"acr": {"essential": False, "value": "high"}}},
            {"id_token": {"acr": {"essential": True}}},
            {"id_token": {"acr": None}},
            {"userinfo": {"acr": {"essential": True, "values": ["high"]}}},
        ],
    )
    def test_otherwise_a_level_is_a_wish(self, claims):
        assert read(claims).takes_level("any")

    def test_a_level_that_cannot_be_is_refused_and_never_taken_for_any(self):
        said = refused({"id_token": {"acr": {"essential": True, "values": []}}})

        assert "acr must be strings" in said


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "claims",
        [
            "{",
            "x",
            "{'userinfo': {}}",
            '{"userinfo": {"a": NaN}}',
            '{"userinfo": {"a": {"value": -Infinity}}}',
            '{"userinfo": {}, "userinfo": {}}',
            '{"userinfo": {"name": null, "name": null}}',
            '{"userinfo": {"sub": {"value": "anne", "value": "jean"}}}',
            '{"userinfo": {"name": {"value": 1' + "0" * 4400,
        ],
    )
    def test_what_is_no_json_or_says_a_thing_twice(self, claims):
        assert refused(claims[:CLAIMS_LIMIT]) == "claims must be JSON, each member written once."

    @pytest.mark.parametrize("claims", ["[]", "null", "1", '"x"', '[{"userinfo": {}}]'])
    def test_what_is_no_object(self, claims):
        assert refused(claims) == "claims must be a JSON object."

    @pytest.mark.parametrize("member", ["userinfo", "id_token"])
    @pytest.mark.parametrize("value", [None, [], "name", 1, ["name"]])
    def test_a_member_that_is_no_object(self, member, value):
        assert refused({member: value}) == f"The member {member} of claims must be an object."

    @pytest.mark.parametrize("wish", [True, [], "essential", 0])
    @pytest.mark.parametrize("claim", ["name", "unheard_of"])
    def test_a_wish_that_is_neither_null_nor_an_object(self, claim, wish):
        said = refused({"userinfo": {claim: wish}})

        assert said == "In claims, each wish must be null or an object."

    def test_an_essential_that_is_neither_true_nor_false(self):
        assert "essential" in refused({"userinfo": {"name": {"essential": "true"}}})

    @pytest.mark.parametrize("values", ["a", {}, None, 1])
    def test_values_that_are_no_array(self, values):
        assert "array" in refused({"userinfo": {"name": {"values": values}}})

    def test_flooding_what_is_too_long_is_not_even_parsed(self):
        longest = '{"x": "' + "x" * (CLAIMS_LIMIT - 9) + '"}'

        assert len(longest) == CLAIMS_LIMIT
        assert read(longest) == ClaimsRequest()
        assert "longer" in refused(longest + " ")

    def test_flooding_what_is_too_deep_is_refused(self):
        assert read(nested(DEEPEST)) == ClaimsRequest()
        assert "deep" in refused(nested(DEEPEST + 1))
        assert refused("[" * CLAIMS_LIMIT)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["userinfo", "id_token", "sub", "acr", "name", "essential", "values"])
            | st.text(max_size=5),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


class TestWhateverIsSent:
    @given(
        st.text(max_size=60)
        | JSON.map(json.dumps)
        | st.dictionaries(st.sampled_from(["userinfo", "id_token"]), JSON, max_size=2).map(
            json.dumps
        )
    )
    def test_it_is_taken_or_refused_and_never_gives_what_nobody_registered(self, text):
        try:
            asked = read(text, scope=frozenset({"openid", "email"}))
        except InvalidRequestError:
            return
        assert {*asked.userinfo, *asked.id_token} <= set(CLAIMS_OF["email"])
