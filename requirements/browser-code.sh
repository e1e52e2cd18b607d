#!/usr/bin/env bash
# Installs package-lock.json and copies what pages load of it into idp/static/altcha and idp/static/franceconnect, and the faces of letters into
# idp/infra/fonts (generated: never edited, not in git). Does nothing when they stand there already. Options go to npm; the image gives --omit=dev.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
served=idp/static/altcha
button=idp/static/franceconnect
fonts=idp/infra/fonts
installed=node_modules/.installed-lock # a copy of the lock file, put there last

is_there() {
  local name
  cmp -s package-lock.json "$installed" || return 1
  for name in altcha.min.js altcha.css pbkdf2.js fr-fr.js LICENSE.txt; do
    [ -s "$served/$name" ] || return 1
  done
  for name in button.css regular.woff2 bold.woff2 logo.svg LICENSE.txt; do
    [ -s "$button/$name" ] || return 1
  done
  for name in DejaVuSansMono.ttf DejaVuSansMono-Bold.ttf LICENSE.txt; do
    [ -s "$fonts/$name" ] || return 1
  done
}

if is_there; then
  exit 0
fi
if ! command -v npm >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "npm is needed once, to install the browser code that pages load (on Debian: apt-get install nodejs npm)." >&2
    exit 1
  fi
  echo "Installing nodejs npm" >&2
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  apt-get install -y -qq --no-install-recommends nodejs npm </dev/null >/dev/null
fi

echo "Installing package-lock.json." >&2
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error "$@" </dev/null
widget=node_modules/altcha
making=$(mktemp -d idp/static/.altcha.XXXXXX)
extracting=$(mktemp -d idp/static/.franceconnect.XXXXXX)
casting=$(mktemp -d idp/infra/.fonts.XXXXXX)
trap 'rm -rf "$making" "$extracting" "$casting"' EXIT
cp "$widget/dist/external/altcha.min.js" "$widget/dist/external/altcha.css" "$widget/dist/workers/pbkdf2.js" \
  "$widget/dist/i18n/fr-fr.js" "$widget/LICENSE.txt" "$making/"
node requirements/franceconnect-button.mjs node_modules/@gouvfr/dsfr "$extracting"
typefaces=node_modules/dejavu-fonts-ttf
cp "$typefaces/ttf/DejaVuSansMono.ttf" "$typefaces/ttf/DejaVuSansMono-Bold.ttf" "$casting/"
cp "$typefaces/LICENSE" "$casting/LICENSE.txt"
chmod 755 "$making" "$extracting" "$casting"
chmod 644 "$making"/* "$extracting"/* "$casting"/*
rm -rf "$served" "$button" "$fonts"
mv "$making" "$served"
mv "$extracting" "$button"
mv "$casting" "$fonts"
cp package-lock.json "$installed"
