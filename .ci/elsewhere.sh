#!/usr/bin/env bash
# elsewhere.sh PYTHON ARGUMENTS…: runs an interpreter of the tree in a new folder outside it that holds a copy of the
# tests and their settings, so that what is imported is what is installed.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$root/$1
shift
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cp -r "$root/tests" "$root/pyproject.toml" "$folder"
cd "$folder"
"$python" "$@"
