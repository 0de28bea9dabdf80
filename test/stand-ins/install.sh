#!/usr/bin/env bash
# Installs what others wrote and npm does not have: S3 servers to run the contract against, and Kafka clients to run against
# the broker: test/stand-ins/install.sh [versitygw] [moto] [confluent-kafka] [kafka-python] [kafka-tools]
# Needs go for versitygw (three minutes on two cores; one that is too old fetches the one it asks for), python3 with venv
# for moto and the Python clients, a JDK and maven for the Java tools. What is there already in its version stays.
set -euo pipefail
cd "$(dirname "$0")"

VERSITYGW=github.com/versity/versitygw/cmd/versitygw@v1.8.0
MOTO='moto[server]==5.2.5'
CONFLUENT_KAFKA=confluent-kafka==2.16.1
KAFKA_PYTHON=kafka-python==3.0.12
ALL=(versitygw moto confluent-kafka kafka-python kafka-tools)
cache=${MILLRACE_STAND_INS:-${XDG_CACHE_HOME:-$HOME/.cache}/millrace-stand-ins}

# Into a directory of its own, which holds what it was made from once it is complete.
anew() {
  [ "$(cat "$cache/$1/MADE-FROM" 2>/dev/null)" != "$2" ] || return 1
  echo "installing $1 into $cache/$1"
  rm -rf "${cache:?}/$1"
  mkdir -p "$cache/$1"
}
complete() { printf '%s\n' "$2" >"$cache/$1/MADE-FROM"; }

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

confluent-kafka() {
  anew confluent-kafka "$CONFLUENT_KAFKA" || return 0
  python3 -m venv "$cache/confluent-kafka"
  "$cache/confluent-kafka/bin/pip" install --quiet "$CONFLUENT_KAFKA"
  complete confluent-kafka "$CONFLUENT_KAFKA"
}

# With its source distribution, which carries the integration tests, in `source`.
kafka-python() {
  anew kafka-python "$KAFKA_PYTHON" || return 0
  python3 -m venv "$cache/kafka-python"
  local pip=$cache/kafka-python/bin/pip
  "$pip" install --quiet "$KAFKA_PYTHON" lz4 python-snappy zstandard pytest pytest-mock pytest-timeout py
  mkdir "$cache/kafka-python/source"
  "$pip" download --quiet --no-deps --no-binary :all: --dest "$cache/kafka-python" "$KAFKA_PYTHON"
  tar xzf "$cache"/kafka-python/kafka_python-*.tar.gz -C "$cache/kafka-python/source" --strip-components=1
  complete kafka-python "$KAFKA_PYTHON"
}

# Every jar of the Apache Kafka tools; pom.xml names them by their coordinates.
kafka-tools() {
  local pom
  pom=$(cat kafka-tools/pom.xml)
  anew kafka-tools "$pom" || return 0
  mvn --quiet --batch-mode --file kafka-tools/pom.xml dependency:copy-dependencies -DoutputDirectory="$cache/kafka-tools"
  complete kafka-tools "$pom"
}

mkdir -p "$cache"
for name in "${@:-${ALL[@]}}"; do
  case " ${ALL[*]} " in
    *" $name "*) "$name" ;;
    *) echo "install.sh knows ${ALL[*]}, not $name" >&2 && exit 2 ;;
  esac
done
