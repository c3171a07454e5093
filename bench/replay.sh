#!/bin/sh
# Measures replays over a made-up month of 1,000,000 sign-ins of 2,000 people and
# writes bench/out/replay.txt: exact, the same over a log that is not packed yet, a
# preview, and the first preview of all. PORTREEVE_BENCH_STATE names a folder
# (0.8 GB) where the month is kept for the next time; to make it takes a minute.
set -eu
cd "$(dirname "$0")/.."
mkdir -p bench/out
go test ./internal/admin -run '^$' -bench '^Benchmark(Replay|ReplayRows|Preview|FirstPreview)$' -benchtime 3x -timeout 20m >bench/out/replay.txt || {
	cat bench/out/replay.txt >&2
	exit 1
}
grep '^Benchmark' bench/out/replay.txt
