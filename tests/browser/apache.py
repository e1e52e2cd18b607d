"""An Apache of the tests' own around ``examples/apache_mod_auth_openidc``: a child, on a free port.

Debian's ``apache2-bin`` brings the program without the system's service.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.browser.examples import EXAMPLES
from tests.browser.examples import Registered
from tests.browser.servers import ServerMissing
from tests.browser.servers import served
from tests.running import Running

MODULES = Path("/usr/lib/apache2/modules")
EXAMPLE = EXAMPLES / "apache_mod_auth_openidc"

_LOADED = (
    "mpm_event", "authn_core", "authz_core", "authz_user", "auth_openidc", "dir", "env",
    "include", "mime",
)  # fmt: skip

# What Debian's own configuration brings, around what an integrator adds to a site.
_AROUND = """\
ServerName 127.0.0.1
ServerRoot {folder}
DefaultRuntimeDir {folder}
PidFile {folder}/pid
Mutex file:{folder} default
ErrorLog /dev/stderr
LogLevel info
User www-data
Group www-data
Listen 127.0.0.1:{port}
{modules}
TypesConfig /dev/null
AddDefaultCharset utf-8
DocumentRoot {folder}/htdocs
<Directory {folder}/htdocs>
  Options +Includes
  AddType text/html .html .shtml
  AddOutputFilter INCLUDES .shtml
  DirectoryIndex index.html index.shtml
  Require all granted
</Directory>
<VirtualHost *:{port}>
  Include {site}
</VirtualHost>
"""


@contextmanager
def apache(running: Running, site: Registered) -> Iterator[str]:
    """Serve the example's site."""
    program = shutil.which("apache2", path="/usr/sbin:/usr/bin")
    if program is None or not (MODULES / "mod_auth_openidc.so").is_file():
        message = "not installed: apt-get install apache2-bin libapache2-mod-auth-openidc"
        raise ServerMissing(message)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)  # its workers are another user's where the run is root's
        shutil.copytree(EXAMPLE / "htdocs", folder / "htdocs")
        configuration = folder / "apache2.conf"
        configuration.write_text(
            _AROUND.format(
                folder=folder,
                port=site.port,
                modules="\n".join(
                    f"LoadModule {name}_module {MODULES}/mod_{name}.so" for name in _LOADED
                ),
                site=EXAMPLE / "site.conf",
            ),
            encoding="utf-8",
        )
        environment = {
            **os.environ,
            "ISSUER": running.issuer,
            "ORIGIN": site.origin,
            **site.environment,
            "CRYPTO_PASSPHRASE": secrets.token_urlsafe(24),
        }
        command = [program, "-f", str(configuration), "-D", "FOREGROUND"]
        with served("apache2", command, f"{site.origin}/", site.file.with_name("log"), environment):
            yield site.origin
