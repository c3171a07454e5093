#!/bin/bash
# Measures Portreeve beside nginx, HAProxy, Dovecot and a bare Go relay, in turns,
# and writes bench/out/peers.json: see docs/performance.md for what its figures mean
# and bench/proxybench for the harness. Takes ten to fifteen minutes; a part that
# takes longer than it may is cut off, and what it had measured by then counts.
#
#   bench/bench.sh [PART...]     parts: ratios idle crowd attack storm (default: all)
#   PORTS=22000 ROUNDS=5 N=500   first port, rounds, sign-ins per run
#
# Needs root: the peers drop privileges, and /proc tells others' memory to root only.
set -eu
cd "$(dirname "$0")/.."
PORTS=${PORTS:-22000} ROUNDS=${ROUNDS:-5} N=${N:-500}
parts=${*:-ratios idle crowd attack storm}
top=$PWD out=$PWD/bench/out here=$PWD/bench/proxybench
export RUN=$here/run CERTS=$here/run/certs BIN=$here/run/proxybench
backend=$PORTS auth=$((PORTS + 6)) ours=$((PORTS + 700)) dummy=$((PORTS + 900))
mkdir -p "$out" "$RUN"

need() {
	missing=
	[ -e /usr/lib/nginx/modules/ngx_mail_module.so ] || missing="$missing nginx-light libnginx-mod-mail"
	command -v haproxy >/dev/null || missing="$missing haproxy"
	command -v dovecot >/dev/null || missing="$missing dovecot-imapd dovecot-pop3d dovecot-submissiond"
	[ "$(id -u)" = 0 ] || { echo "bench.sh: the peers need root" >&2; exit 1; }
	if [ -n "$missing" ]; then
		command -v apt-get >/dev/null || { echo "bench.sh: missing:$missing" >&2; exit 1; }
		echo "installing$missing" >&2
		# No daemon of the packages' own shall start.
		printf '#!/bin/sh\nexit 101\n' >"$RUN/policy" && chmod +x "$RUN/policy"
		[ -e /usr/sbin/policy-rc.d ] || { cp "$RUN/policy" /usr/sbin/policy-rc.d; mine=1; }
		# shellcheck disable=SC2086
		DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $missing >&2
		[ -z "${mine:-}" ] || rm /usr/sbin/policy-rc.d
	fi
	for p in $backend $auth $((PORTS + 100)) $((PORTS + 200)) $((PORTS + 500)) $((PORTS + 600)) $ours $dummy; do
		if (: <"/dev/tcp/127.0.0.1/$p") 2>/dev/null; then
			echo "bench.sh: something listens on port $p already; PORTS=23000 bench/bench.sh takes others" >&2
			exit 1
		fi
	done
}

# Everything started is ended, by pid.
declare -A pid
started=
begin() { # NAME COMMAND...
	name=$1; shift
	(ulimit -n "$(ulimit -Hn)"; exec "$@") </dev/null >"$RUN/$name.log" 2>&1 &
	pid[$name]=$!
}
finish() { # NAME
	[ -n "${pid[$1]:-}" ] || return 0
	kill "${pid[$1]}" 2>/dev/null || true
	wait "${pid[$1]}" 2>/dev/null || true
	pid[$1]=
}
peer() { AUTH=$auth "$here/peers/peers.sh" start "$1" $((PORTS + $2)) "$backend"; started="$started $1:$2"; }
unpeer() { "$here/peers/peers.sh" stop "$1" $((PORTS + $2)) 2>/dev/null || true; }
repeer() { unpeer "$1" "$2"; sleep 2; peer "$1" "$2"; }
cleanup() {
	for s in $started; do unpeer "${s%:*}" "${s#*:}"; done
	for n in "${!pid[@]}"; do finish "$n"; done
}
trap cleanup EXIT
trap 'exit 1' INT TERM

until_open() { # PORT
	for _ in $(seq 200); do
		if (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; then return 0; fi
		sleep 0.05
	done
	echo "bench.sh: nothing opens port $1" >&2
	tail -5 "$RUN"/*.log >&2
	exit 1
}

dir=$RUN/portreeve
configure() {
	rm -rf "$dir"; mkdir -p "$dir"
	"$BIN" token -dir "$dir"
	p=$ours
	{
		echo "default_domain: example.org"
		echo "state: $dir/state"
		echo "admin: {socket: $dir/admin.sock}"
		echo "listeners:"
		for proto in imap pop3 submission; do
			echo "- {protocol: $proto, address: \"127.0.0.1:$p\", tls: none, plaintext_from: [127.0.0.0/8]}"
			echo "- {protocol: $proto, address: \"127.0.0.1:$((p + 1))\", tls: implicit}"
			p=$((p + 2))
		done
		echo "tls: [{certificate: $CERTS/cert.pem, key: $CERTS/key.pem}]"
		echo "limits: {per_source: 20000}"
		echo "issuers: {bench: {issuer: \"https://id.example.test\", jwks_file: $dir/jwks.json, audience: [mail]}}"
		# The backend checks passwords; who shows a token is signed in by the master user.
		echo "backends:"
		echo "  fake: {login: master, master: {user: gate, password: good},"
		echo "    imap: {address: \"127.0.0.1:$backend\", tls: none}, pop3: {address: \"127.0.0.1:$((backend + 2))\", tls: none},"
		echo "    submission: {address: \"127.0.0.1:$((backend + 4))\", tls: none}}"
	} >"$dir/portreeve.yaml"
}
# Decision, guard and log are on, with 1,000 policies that report only.
serve() {
	finish portreeve
	begin portreeve "${PORTREEVE:-$top/bin/portreeve}" serve --config "$dir/portreeve.yaml"
	until_open "$ours"
}
restart() { serve; sleep 2; }

names="portreeve:700 nginx:100 gorelay:600 haproxy:500 dovecot-perf:200"
targets() { # NAME...
	for n in "$@"; do
		for s in $names; do [ "${s%:*}" != "$n" ] || printf -- '-target %s=127.0.0.1:%d ' "$n" $((PORTS + ${s#*:})); done
	done
}
failed=
measure() { # SECONDS FILE SCENARIOS NAME... [-- FLAGS]
	seconds=$1 file=$2 scenarios=$3; shift 3
	list=()
	while [ $# -gt 0 ] && [ "$1" != -- ]; do list+=("$1"); shift; done
	[ $# = 0 ] || shift
	# shellcheck disable=SC2046
	timeout -k 5 "$seconds" "$BIN" -certs "$CERTS" -backend "$backend" -ref nginx -json "$RUN/$file.json" -rounds "$ROUNDS" -n "$N" \
		$(targets "${list[@]}") -scenarios "$scenarios" -admin portreeve="$dir/admin.sock" -dummy "$dummy" -token portreeve="$dir/token" "$@" || {
		echo "bench.sh: $scenarios did not come to its end" >&2
		failed="$failed $file"
	}
}
has() { case " $parts " in *" $1 "*) return 0 ;; esac; return 1; }

(cd "$here" && go build -o "$BIN" .)
need
rm -f "$RUN"/*.json
begin backend "$BIN" backend -base "$backend" -certs "$CERTS"
until_open "$auth"
begin dummy "$BIN" dummy -base "$dummy" -certs "$CERTS"
until_open "$dummy"
configure
serve
echo "loading 1,000 policies"
"$BIN" policies -n 1000 -socket "$dir/admin.sock"
restart
measure 20 empty empty portreeve

if has ratios; then
	peer nginx 100; peer gorelay 600; peer haproxy 500; peer dovecot-perf 200
	# Dovecot's proxy would stream for longer than all others take together.
	measure 110 streams 'stream-*,noop16-*' portreeve nginx gorelay haproxy
	measure 150 logins 'login-imap-tls,login-imap-tls-resumed,login-imap-plaintext,login-imap-tls-mlkem,login-imap-tls-xoauth2' \
		portreeve nginx gorelay haproxy dovecot-perf
	unpeer gorelay 600; unpeer haproxy 500; unpeer dovecot-perf 200
fi
if has idle; then # fresh ones, since all but Portreeve keep the memory of what has gone
	for kind in tls plaintext; do
		repeer nginx 100; restart
		measure 60 "idle-$kind" "idle-$kind" portreeve nginx -- -idle "${IDLE:-5000}"
	done
fi
if has crowd; then
	restart
	measure 45 crowd 'descriptors-*' portreeve
	restart
	measure 100 return memory-return portreeve -- -idle "${CROWD:-9500}"
fi
if has attack; then # the gate and the dummy on one core, who guesses on the other, and the mail server with them
	restart
	cores=$(nproc)
	if [ "$cores" -gt 1 ]; then
		for p in "${pid[portreeve]}" "${pid[dummy]}"; do taskset -acp 0 "$p" >/dev/null; done
		for p in "${pid[backend]}" $$; do taskset -acp 1 "$p" >/dev/null; done # and so the harness
	fi
	measure 75 attack attack portreeve
	[ "$cores" = 1 ] || for p in "${pid[dummy]}" "${pid[backend]}" $$; do taskset -acp "0-$((cores - 1))" "$p" >/dev/null; done
fi
if has storm; then # last, since one that is cut off leaves its policy behind
	restart
	measure 250 storm storm portreeve -- -storm "${CROWD:-9500}"
fi
"$BIN" summary -out "$out/peers.json" "$RUN"/*.json
[ -z "$failed" ] || { echo "bench.sh: not whole:$failed" >&2; exit 1; }
