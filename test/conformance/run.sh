#!/bin/sh
# Runs the OpenID Foundation's conformance suite against our own issuer.
#
#	test/conformance/run.sh CHECKOUT [FOLDER [PLAN…]]
#
# CHECKOUT is the suite's source, which you have got yourself; it is read only.
# FOLDER takes what is built and the logs (without it, one under /tmp). PLAN is a
# part of a plan's name; without any, all that we mean to hold. It takes a JDK of
# 21 or later (JAVA_HOME, or the newest under /usr/lib/jvm), Maven and Go; Maven
# fetches the libraries from its repository. Everything listens on loopback and
# ends with the run.
set -eu

[ $# -ge 1 ] && [ -f "$1/pom.xml" ] || { echo "usage: $0 CHECKOUT [FOLDER [PLAN…]]" >&2; exit 2; }
suite=$(cd "$1" && pwd)
out=${2:-/tmp/portreeve-conformance}
shift
[ $# -eq 0 ] || shift
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out"
out=$(cd "$out" && pwd)

newest() {
	for home in "${JAVA_HOME:-}" /usr/lib/jvm/*; do
		[ -x "$home/bin/javac" ] || continue
		version=$("$home/bin/javac" -version 2>&1 | sed 's/[^0-9]*\([0-9]*\).*/\1/')
		[ "$version" -lt 21 ] || { echo "$home"; return; }
	done
	echo "no JDK of 21 or later: say where it is in JAVA_HOME" >&2
	exit 1
}
JAVA_HOME=$(newest)
export JAVA_HOME

# libraries FOLDER: the class path of its pom.xml, one line.
libraries() { mvn -q -B -Dstyle.color=never -f "$1/pom.xml" dependency:build-classpath -Dmdep.outputFile="$1/classpath" -Dmdep.includeScope=compile; }

# The suite's servers and its OpenID plans, without the rest: its plans for
# mobile driving licences need a library that Maven's repository has not got. What
# those plans use is compiled as it is found to be needed, and nothing is changed.
mkdir -p "$out/suite"
awk '/<dependency>/ {block = ""; inside = 1}
	inside {block = block $0 "\n"; if (/<\/dependency>/) {inside = 0; if (block !~ /org\.multipaz/) printf "%s", block}; next}
	{print}' "$suite/pom.xml" >"$out/suite/new.xml"
if ! cmp -s "$out/suite/new.xml" "$out/suite/pom.xml"; then
	cp "$out/suite/new.xml" "$out/suite/pom.xml"
	rm -f "$out/suite/classpath"
fi
[ -e "$out/suite/classpath" ] || libraries "$out/suite"
code=$suite/src/main/java/net/openid/conformance
{
	find "$code" "$code/openid" -maxdepth 1 -name '*.java'
	for part in errorhandling export extensions frontchannel info logging pagination plan runner security sharing support testmodule token ui variant; do
		[ ! -d "$code/$part" ] || find "$code/$part" -name '*.java'
	done
} >"$out/suite/sources"
rm -rf "$out/suite/classes"
mkdir "$out/suite/classes"
"$JAVA_HOME/bin/javac" -nowarn -proc:none --release 21 -parameters -encoding UTF-8 -sourcepath "$suite/src/main/java" \
	-cp "$(cat "$out/suite/classpath")" -d "$out/suite/classes" "@$out/suite/sources"

if ! cmp -s "$here/pom.xml" "$out/mongo/pom.xml" || [ ! -e "$out/mongo/classpath" ]; then
	mkdir -p "$out/mongo"
	cp "$here/pom.xml" "$out/mongo/pom.xml"
	libraries "$out/mongo"
fi

cd "$here/../.."
CGO_ENABLED=0 go build -o "$out/portreeve" ./cmd/portreeve
go build -o "$out/conform" ./test/conformance
exec "$out/conform" -suite "$suite" -folder "$out" -mongo "$here/Mongo.java" "$@"
