"""Look into the wheel: the whole package, its pages and migrations, and nothing private."""

import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).resolve().parents[1]
INSTALLED = {
    "idp/static/altcha": ("altcha.min.js", "altcha.css", "pbkdf2.js", "fr-fr.js", "LICENSE.txt"),
    "idp/static/franceconnect": (
        "button.css", "regular.woff2", "bold.woff2", "logo.svg", "LICENSE.txt",
    ),
    "idp/infra/fonts": ("DejaVuSansMono.ttf", "DejaVuSansMono-Bold.ttf", "LICENSE.txt"),
}  # fmt: skip
"""What requirements/browser-code.sh puts there: not in git, so it may be missing."""
FORBIDDEN = ("demo/", "tests/", "bench/", "keys/", "data/", "node_modules/")


def expected() -> set[str]:
    """Everything below idp/ and templates/, as it is named in the wheel."""
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "idp").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    templates = {
        f"idp/templates/{path.relative_to(ROOT / 'templates').as_posix()}"
        for path in (ROOT / "templates").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    installed = {f"{folder}/{name}" for folder, names in INSTALLED.items() for name in names}
    return package | templates | installed


def main(wheel: str) -> int:
    """Say what is missing or should not be there."""
    names = {name for name in ZipFile(wheel).namelist() if not name.endswith("/")}
    content = {name for name in names if ".dist-info/" not in name}
    faults = [f"missing from the wheel: {name}" for name in sorted(expected() - content)]
    faults += [f"should not be in the wheel: {name}" for name in sorted(content - expected())]
    faults += [f"private: {name}" for name in sorted(names) if name.startswith(FORBIDDEN)]
    faults += [f"a key: {name}" for name in sorted(names) if name.endswith(".pem")]
    if not any(name.endswith("licenses/LICENSE") for name in names):
        faults.append("the licence is missing from the wheel")
    print("\n".join(faults) or f"{Path(wheel).name}: {len(names)} files, all that is needed")
    return bool(faults)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
