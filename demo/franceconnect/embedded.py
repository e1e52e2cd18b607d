"""The provider of an embedded start, registered with the simulator beside it."""

from pathlib import Path

from demo.franceconnect.configuration import Configuration
from demo.franceconnect.configuration import Registration
from demo.franceconnect.configuration import drawn_secret
from demo.franceconnect.keys import drawn_pem
from idp.infra.private_files import replace_private_file

PATH = "/api/v2"


def register(file: Path, secret_file: Path, *, origin: str, provider: str) -> dict[str, str]:
    """Write the registration, and give the settings that make the provider its client.

    Name, secrets and key are drawn once: whoever linked a dossier finds the link again at the next
    start, and who is signed in can sign out.
    """
    known = Configuration.read(file)
    registration = Registration(
        client_id=known.registration.client_id if known else drawn_secret(),
        client_name="Caisse de démonstration",
        redirect_uris=(f"{provider}/franceconnect/retour",),
        post_logout_redirect_uris=(f"{provider}/franceconnect/deconnexion",),
        client_secret=known.registration.client_secret if known else drawn_secret(),
    )
    issuer = origin + PATH
    Configuration(
        issuer,
        known.pairwise_secret if known else drawn_secret(),
        registration,
        known.signing_key if known else drawn_pem(),
    ).write(file)
    replace_private_file(secret_file, registration.client_secret.encode())
    return {
        "IDP_FRANCECONNECT_ISSUER": issuer,
        "IDP_FRANCECONNECT_CLIENT_ID": registration.client_id,
        "IDP_FRANCECONNECT_CLIENT_SECRET_FILE": str(secret_file),
    }
