"""The one screen that a start prints."""

import shlex
from pathlib import Path

COLUMNS = ("Sign in as", "Vous êtes un", "Numéro", "Mot de passe")
PEOPLE = (
    ("Camille Durand, affiliée", "Affilié", "1204816", "trois cerises sur le toit"),
    ("Paulette Mercier, ayant droit", "Ayant droit", "204816357", "un jardin plein de menthe"),
    ("Monique Garnier, les deux :", "Affilié", "1305927", "le chat dort au soleil"),
    ("", "Ayant droit", "305927814", "le chat dort au soleil"),
)


def screen(
    *,
    issuer: str,
    demo_origin: str,
    mailbox_origin: str,
    franceconnect_origin: str,
    data: Path,
    seconds: float,
    is_usual: bool,
) -> str:
    """Say where to click, as whom, where everything is and how it stops.

    ``is_usual``: ``data`` is the folder that ``bin/idp`` and ``.gitignore`` know of.
    """
    command = "bin/idp" if is_usual else f"IDP_ENV_FILE={shlex.quote(str(data / 'env'))} bin/idp"
    ignored = "git ignores it; " if is_usual else ""
    header, *people = (
        f"{who:<31}{qualite:<15}{number:<11}{password}"
        for who, qualite, number, password in (COLUMNS, *PEOPLE)
    )
    rows = "\n".join(f"    {person}" for person in people)
    return f"""
  Ready in {seconds:.1f} s.

  Click here           {demo_origin}
                       a demo service: press "Se connecter", sign in, come back known
  Second service       {demo_origin}/attestations (asks nothing once you are signed in)
  Mailbox              {mailbox_origin}
                       every mail that is sent stays here, whatever its recipient
  FranceConnect        {franceconnect_origin}
                       a simulator: its button on the sign-in page lets you be anyone of these
  Preview              {mailbox_origin}/apercu/
                       every page, mail and letter in every state, side by side
  Letters              {command} letters print
                       prints the ones that were asked for into {data / "spool"}
  Identity provider    {issuer}
  Discovery            {issuer}/.well-known/openid-configuration

    {header}
{rows}

  Data, keys, secrets  {data}   ({ignored}erase it to begin anew)
  Logs                 {data / "logs"}
  Operate              {command} doctor
                       {command} dossiers show affilie 1204816
                       {command} --help

  Ctrl-C stops everything; the data stays for the next start.
"""
