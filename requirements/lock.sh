#!/usr/bin/env bash
# Writes the locked sets from the .in files: versions and hashes, no address of an index.
# Needs uv on the PATH. Give --upgrade to move to newer versions.
set -euo pipefail
cd "$(dirname "$0")"
for set in build run embedded dev; do
  UV_CUSTOM_COMPILE_COMMAND=requirements/lock.sh uv pip compile --python-version 3.11 --generate-hashes \
    --no-emit-index-url --no-emit-find-links --quiet "$@" "$set.in" --output-file "$set.txt"
done
