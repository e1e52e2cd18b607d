"""Sign-in by dossier number, as a person and a service see it."""

from tests.instance import Instance
from tests.instance import answer_of


def test_a_person_signs_in_and_the_service_reads_the_qualite_in_signed_tokens(
    instance: Instance,
) -> None:
    person = instance.add_person("ayant_droit", "100001701")
    service = instance.add_service()
    visitor = instance.visitor()

    answer = answer_of(visitor.sign_in(person, service))
    tokens = visitor.redeem(service, answer["code"]).get_json()
    claims = visitor.userinfo(tokens["access_token"]).get_json()

    assert answer["state"] == service.state
    assert answer["iss"] == instance.settings.issuer
    assert claims["qualite"] == "ayant_droit"
    assert claims["numero_dossier"] == "100001701"
