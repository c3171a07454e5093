package server

import (
	"bytes"
	"os"
	"runtime/debug"
	"strconv"
)

const (
	// collectAt lets the heap grow to three times what lives before it is
	// collected: collecting is a tenth of a sign-in's cost at Go's own 100.
	// What grows in a rush of connections goes back when they have come or gone
	// (package relay).
	collectAt = 200 // percent
	// memoryShare is the part of the memory we may have from which on the
	// collector prefers to be thrifty.
	memoryShare = 0.75
)

// thrift sets how memory is collected, unless GOGC or GOMEMLIMIT say so, and
// gives back what building the server has littered.
func thrift() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(collectAt)
	}
	if limit := memory(); os.Getenv("GOMEMLIMIT") == "" && limit > 0 {
		debug.SetMemoryLimit(int64(float64(limit) * memoryShare))
	}
	debug.FreeOSMemory()
}

// memory is what we may have at most in bytes, by the machine or by our
// control group (systemd's MemoryMax, a container's limit); 0: unknown.
func memory() int64 {
	var most int64
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if words := bytes.Fields(text); len(words) > 1 { // "MemTotal: 16384000 kB"
			kb, _ := strconv.ParseInt(string(words[1]), 10, 64)
			most = kb << 10
		}
	}
	if n := groupLimit(); n > 0 && (most == 0 || n < most) {
		most = n
	}
	return most
}

// groupLimit is memory.max of our own control group, version 2.
func groupLimit() int64 {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return 0
	}
	_, path, ok := bytes.Cut(bytes.TrimSpace(text), []byte("0::"))
	if !ok {
		return 0
	}
	path, _, _ = bytes.Cut(path, []byte("\n"))
	max, err := os.ReadFile("/sys/fs/cgroup" + string(path) + "/memory.max")
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseInt(string(bytes.TrimSpace(max)), 10, 64) // "max" is none
	return n
}
