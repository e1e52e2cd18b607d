import pytest
from hypothesis import given
from hypothesis import strategies as st

from idp.oidc.claims import CLAIMS_OF
from idp.oidc.claims import SCOPES
from idp.oidc.claims import id_token_claims
from idp.oidc.claims import sid_of
from idp.oidc.claims import sub_of
from idp.oidc.claims import token_claims
from idp.oidc.claims import userinfo_claims
from idp.oidc.discovery import CLAIMS
from tests.fakes import client
from tests.fakes import subject

SALT = b"s" * 32
OF_TOKENS = ("sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid")


def claims(*scope, **person):
    return userinfo_claims(subject(**person), scope)


class TestScopes:
    def test_openid_alone_says_nothing_of_the_person(self):
        assert claims("openid") == {}

    def test_each_scope_gives_its_claims_and_no_others(self):
        assert set(claims("profile")) == {
            "name",
            "family_name",
            "given_name",
            "middle_name",
            "gender",
            "birthdate",
            "updated_at",
        }
        assert claims("email") == {"email": "anne@example.org", "email_verified": False}
        assert set(claims("address")) == {"address"}
        assert claims("phone") == {
            "phone_number": "+33612345678",
            "phone_number_verified": False,
        }

    def test_the_scope_dossier_opens_qualite_number_and_situations(self):
        assert claims("dossier", situations=("cotisant", "rente_invalidite")) == {
            "qualite": "affilie",
            "numero_dossier": "1234567",
            "situations": ["cotisant", "rente_invalidite"],
        }

    @pytest.mark.parametrize("scope", [s for s in SCOPES if s != "dossier"])
    def test_without_the_scope_dossier_nothing_of_it_is_told(self, scope):
        told = claims("openid", scope, numero_dossier="7654321")

        assert not {"qualite", "numero_dossier", "situations"} & set(told)
        assert "7654321" not in repr(told)

    def test_tokens_carry_the_qualite_and_neither_number_nor_name(self):
        assert token_claims(subject(qualite="ayant_droit"), SCOPES) == {"qualite": "ayant_droit"}
        assert token_claims(subject(), ["openid", "profile", "email"]) == {}

    def test_an_unknown_scope_gives_nothing(self):
        assert claims("openid", "admin", "offline_access") == {}

    @pytest.mark.parametrize("scope", CLAIMS_OF)
    def test_of_a_full_record_a_scope_gives_just_the_claims_that_it_is_said_to_open(self, scope):
        assert set(claims(scope)) == set(CLAIMS_OF[scope])

    def test_the_claims_published_are_those_of_tokens_and_those_of_the_scopes_each_once(self):
        of_the_person = [claim for scope in SCOPES for claim in claims(scope)]

        assert sorted(CLAIMS) == sorted([*OF_TOKENS, *of_the_person])

    @given(
        scope=st.lists(st.sampled_from(SCOPES)),
        person=st.fixed_dictionaries(
            {},
            optional={
                name: st.sampled_from(["", "x", "0", "+", "00000000"])
                for name in ("family_name", "usage_name", "given_names", "gender", "email", "phone")
            },
        ),
    )
    def test_a_claim_without_a_value_is_absent_and_never_null_or_empty(self, scope, person):
        told = claims(*scope, birthdate="", address=("", "", "", "", "", ""), **person)

        assert all(value is False or value for value in told.values())
        assert not {"sub", "iss", "aud", "exp", "iat", "nonce"} & set(told)


class TestOneByOne:
    def test_a_claim_asked_for_by_name_comes_without_the_rest_of_its_scope(self):
        told = userinfo_claims(subject(), ["openid", "email"], ["name", "numero_dossier"])

        assert told == {
            "email": "anne@example.org",
            "email_verified": False,
            "name": "Anne MARTIN",
            "numero_dossier": "1234567",
        }

    def test_a_claim_asked_for_by_name_that_has_no_value_is_absent(self):
        assert userinfo_claims(subject(gender="", phone=""), [], ["gender", "phone_number"]) == {}

    def test_an_id_token_tells_what_was_asked_of_it_beside_what_every_token_tells(self):
        asked = ["given_name", "email"]

        assert id_token_claims(subject(), ["dossier", "profile"], asked) == {
            "qualite": "affilie",
            "given_name": "Anne",
            "email": "anne@example.org",
        }
        assert id_token_claims(subject(), SCOPES, []) == token_claims(subject(), SCOPES)

    def test_a_name_that_is_no_claim_of_a_person_gives_nothing(self):
        assert userinfo_claims(subject(), [], ["sub", "iss", "account_id", "admin"]) == {}


class TestProfile:
    def test_a_person_goes_by_the_name_in_use_and_the_first_given_name(self):
        told = claims("profile")

        assert (told["name"], told["family_name"]) == ("Anne MARTIN", "MARTIN")
        assert (told["given_name"], told["middle_name"]) == ("Anne", "Marie Louise")

    def test_without_a_name_in_use_the_birth_name_is_told(self):
        assert claims("profile", usage_name="")["family_name"] == "LEFÈVRE"

    def test_who_has_one_given_name_or_none_has_no_middle_name(self):
        assert "middle_name" not in claims("profile", given_names="Anne")
        told = claims("profile", given_names="")
        assert told["name"] == "MARTIN"
        assert "given_name" not in told

    @pytest.mark.parametrize(
        ("birthdate", "told"),
        [
            ("1950-05-12", "1950-05-12"),
            ("1950-00-00", "1950"),
            ("1950-05-00", "1950"),
            ("1950-00-12", "1950"),
            ("2000-10-20", "2000-10-20"),
            ("1900-01-01", "1900-01-01"),
        ],
    )
    def test_a_partial_birth_date_is_told_as_its_year(self, birthdate, told):
        assert claims("profile", birthdate=birthdate)["birthdate"] == told

    def test_an_unknown_birth_date_or_gender_is_absent(self):
        assert not {"birthdate", "gender"} & set(claims("profile", birthdate="", gender=""))

    def test_updated_at_is_a_number_of_seconds(self):
        assert claims("profile")["updated_at"] == int(subject().updated_at.timestamp())


class TestEmail:
    def test_an_address_confirmed_here_is_verified(self):
        assert claims("email", email_verified=True)["email_verified"] is True

    def test_without_an_address_nothing_is_said_to_be_verified(self):
        assert claims("email", email="") == {}


class TestPhone:
    @pytest.mark.parametrize(
        ("written", "told"),
        [
            ("06 12 34 56 78", "+33612345678"),
            ("0612345678", "+33612345678"),
            ("06.12.34.56.78", "+33612345678"),
            ("06-12-34-56-78", "+33612345678"),
            ("06\u00a012\u202f34 56 78", "+33612345678"),
            ("+33 6 12 34 56 78", "+33612345678"),
            ("+33 (0)6 12 34 56 78", "+33612345678"),
            ("+330612345678", "+33612345678"),
            ("0033 6 12 34 56 78", "+33612345678"),
            ("01 40 20 30 40", "+33140203040"),
            # Overseas departments have country codes of their own.
            ("0590 12 34 56", "+590590123456"),
            ("0690 12 34 56", "+590690123456"),
            ("0594 12 34 56", "+594594123456"),
            ("0696 12 34 56", "+596696123456"),
            ("0262 12 34 56", "+262262123456"),
            ("0692 12 34 56", "+262692123456"),
            ("0639 12 34 56", "+262639123456"),
            ("+33 692 12 34 56", "+262692123456"),
            ("+262 692 12 34 56", "+262692123456"),
            ("+32 2 555 12 12", "+3225551212"),
            ("+1 (212) 555-1212", "+12125551212"),
        ],
    )
    def test_a_number_is_told_in_e_164(self, written, told):
        assert claims("phone", phone=written)["phone_number"] == told

    @pytest.mark.parametrize(
        "written",
        [
            "",
            "612345678",
            "06 12 34 56",
            "06 12 34 56 78 90",
            "+33 6 12 34 56",
            "+33 6 12 34 56 789",
            "+33 0 0 12 34 56 78",
            "00 12 34 56 78",
            "+0 123 456 789",
            "+123456",
            "+1234567890123456",
            "liste rouge",
            "06 12 34 56 78 / 79",
            "٠٦١٢٣٤٥٦٧٨",
        ],
    )
    def test_what_is_no_whole_number_is_absent(self, written):
        assert claims("phone", phone=written) == {}

    def test_no_number_is_said_to_be_verified_for_nobody_has_called_it(self):
        assert claims("phone")["phone_number_verified"] is False


class TestAddress:
    @staticmethod
    def address(*lines):
        padded = (*lines, "", "", "", "", "", "")[:6]
        return claims("address", address=padded).get("address")

    def test_a_french_address_is_told_without_its_recipient(self):
        assert self.address("MME ANNE MARTIN", "APPT 4", "12 RUE DES LILAS", "75012 PARIS") == {
            "formatted": "APPT 4\n12 RUE DES LILAS\n75012 PARIS",
            "street_address": "APPT 4\n12 RUE DES LILAS",
            "postal_code": "75012",
            "locality": "PARIS",
        }

    def test_empty_lines_between_are_left_out(self):
        told = self.address("MME MARTIN", "", "12 RUE DES LILAS", "", "97110 POINTE A PITRE")

        assert told["formatted"] == "12 RUE DES LILAS\n97110 POINTE A PITRE"
        assert (told["postal_code"], told["locality"]) == ("97110", "POINTE A PITRE")

    def test_a_cedex_belongs_to_the_town(self):
        assert self.address("X", "BP 12", "75499 PARIS CEDEX 10")["locality"] == "PARIS CEDEX 10"

    def test_a_country_follows_the_town(self):
        told = self.address("MME MARTIN", "RUE HAUTE 3", "1050 BRUXELLES", "BELGIQUE")

        assert (told["postal_code"], told["locality"]) == ("1050", "BRUXELLES")
        assert (told["country"], told["street_address"]) == ("BELGIQUE", "RUE HAUTE 3")

    def test_a_foreign_address_of_another_shape_is_told_as_its_lines(self):
        lines = ["10 DOWNING STREET", "LONDON SW1A 2AA", "ROYAUME-UNI"]

        assert self.address("MR SMITH", *lines) == {
            "formatted": "\n".join(lines),
            "street_address": "\n".join(lines),
        }

    def test_a_street_with_four_digits_is_not_a_town(self):
        told = self.address("MME MARTIN", "HAMEAU DU LAC", "1234 CHEMIN DES VIGNES")

        assert "postal_code" not in told
        assert told["street_address"] == "HAMEAU DU LAC\n1234 CHEMIN DES VIGNES"

    def test_an_address_without_postcode_keeps_its_lines(self):
        assert self.address("MME MARTIN", "LE BOURG") == {
            "formatted": "LE BOURG",
            "street_address": "LE BOURG",
        }

    def test_a_town_alone_has_no_street(self):
        assert self.address("MME MARTIN", "75012 PARIS") == {
            "formatted": "75012 PARIS",
            "postal_code": "75012",
            "locality": "PARIS",
        }

    @pytest.mark.parametrize("lines", [(), ("MME MARTIN",)])
    def test_without_lines_there_is_no_address_at_all(self, lines):
        assert self.address(*lines) is None


class TestPairwise:
    def test_a_person_is_somebody_else_in_every_sector(self):
        here = client(redirect_uris=("https://a.example/cb",))
        there = client(redirect_uris=("https://b.example/cb",))

        assert sub_of("account", here, SALT) != sub_of("account", there, SALT)

    def test_two_clients_of_one_sector_know_the_same_person(self):
        one = client(client_id="one", redirect_uris=("https://a.example/one",))
        other = client(client_id="other", redirect_uris=("https://a.example/other",))

        assert sub_of("account", one, SALT) == sub_of("account", other, SALT)

    def test_two_people_are_two_and_the_salt_decides_who(self):
        subs = {sub_of(a, client(), s) for a in ("account", "another") for s in (SALT, b"t" * 32)}

        assert len(subs) == 4
        assert all(len(sub) == 43 and "account" not in sub for sub in subs)

    def test_a_service_without_a_host_is_a_sector_of_its_own(self):
        one = client(client_id="one", redirect_uris=("com.example.app:/cb",))
        other = client(client_id="other", redirect_uris=("com.example.app:/cb",))

        assert sub_of("account", one, SALT) != sub_of("account", other, SALT)

    def test_where_registered_so_the_sub_is_public(self):
        assert sub_of("account", client(subject_type="public"), SALT) == "account"

    def test_two_services_cannot_join_their_users_by_sid(self):
        one, other = client(client_id="one"), client(client_id="other")

        assert sid_of("session", one, SALT) != sid_of("session", other, SALT)
        assert sid_of("session", one, SALT) == sid_of("session", one, SALT)
        assert sid_of("session", one, SALT) != sid_of("another", one, SALT)
        assert "session" not in sid_of("session", one, SALT)

    def test_what_is_derived_for_one_purpose_is_not_that_of_another(self):
        registered = client(redirect_uris=("com.example.app:/cb",))

        assert sub_of("x", registered, SALT) != sid_of("x", registered, SALT)
