#!/usr/bin/env bash
# Installs S3 servers that others wrote, to run the contract against: test/stand-ins/install.sh [versitygw] [moto]
# Needs go for versitygw (three minutes on two cores; one that is too old fetches the one it asks for) and python3 with
# venv for moto. What is there already stays.
set -euo pipefail

VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
MOTO='moto[server]==5.2.5'
cache=${MILLRACE_STAND_INS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace-stand-ins}

versitygw() {
  [ -x "$cache/bin/versitygw" ] && return
  echo "installing $VERSITYGW into $cache/bin"
  GOTOOLCHAIN=${GOTOOLCHAIN:-auto} GOBIN=$cache/bin go install "$VERSITYGW"
}

moto() {
  [ -x "$cache/moto/bin/moto_server" ] && return
  echo "installing $MOTO into $cache/moto"
  python3 -m venv "$cache/moto"
  "$cache/moto/bin/pip" install --quiet "$MOTO"
}

mkdir -p "$cache"
for name in "${@:-versitygw moto}"; do
  for each in $name; do
    case $each in
      versitygw | moto) "$each" ;;
      *) echo "install.sh knows versitygw and moto, not $each" >&2 && exit 2 ;;
    esac
  done
done
