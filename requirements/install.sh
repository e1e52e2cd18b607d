#!/usr/bin/env bash
# Installs a locked set (embedded or dev) into .venv, with hashes; does nothing when it stands there already.
set -euo pipefail
set_name=$1
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lock="$root/requirements/$set_name.txt"
venv="$root/.venv"

find_python() {
  local name
  for name in "${PYTHON:-python3.11}" python3 python3.12 python3.13; do
    if command -v "$name" >/dev/null && "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$name"
      return
    fi
  done
  echo "Python 3.11 or newer is needed, and there is none on the PATH (on Debian: apt-get install python3 python3-venv)." >&2
  return 1
}

stamp_of() { # the content of a lock file and the interpreter that it was installed for
  printf '%s %s\n' "$(cksum <"$root/requirements/$1.txt")" "$(readlink -f "$venv/bin/python" 2>/dev/null)"
}

is_installed() {
  [ -x "$venv/bin/python" ] && [ -f "$venv/installed-$1" ] && [ "$(cat "$venv/installed-$1")" = "$(stamp_of "$1")" ]
}

if is_installed "$set_name"; then
  exit 0
fi
python=$(find_python)
if [ ! -x "$venv/bin/python" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
  echo "Making the virtual environment .venv with $("$python" --version)." >&2
  rm -rf "$venv"
  if ! "$python" -m venv "$venv"; then
    echo "No virtual environment can be made (on Debian: apt-get install python3-venv)." >&2
    exit 1
  fi
fi
echo "Installing requirements/$set_name.txt into .venv." >&2
rm -f "$venv"/installed-*
"$venv/bin/python" -m pip install --quiet --no-input --disable-pip-version-check --no-deps --require-hashes \
  --requirement "$lock"
stamp_of "$set_name" >"$venv/installed-$set_name"
if [ "$set_name" = dev ]; then
  stamp_of embedded >"$venv/installed-embedded" # dev holds all of it
fi
