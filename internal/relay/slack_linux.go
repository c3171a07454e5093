package relay

import (
	"os"
	"strconv"
)

// timerSlack is how late, in nanoseconds, the kernel may end a thread's sleep.
//
// While any thread is in a system call that takes long (a commit's fsync, a wait
// for the next event), Go's monitor thread wakes every 20 µs to see whether to
// take its processor away: four times in a sign-in, a sixth of its CPU. With this
// slack it wakes a few times in a millisecond; deadlines are far coarser.
const timerSlack = 500_000

// slacken sets the slack of every thread there is; later ones inherit it. The
// kernel lets root do so, or who has CAP_SYS_NICE (proc(5), timerslack_ns); for
// everybody else systemd's TimerSlackNSec= does the same. Without it nothing but
// the saving is missing.
func slacken() {
	threads, _ := os.ReadDir("/proc/self/task")
	for _, t := range threads {
		_ = os.WriteFile("/proc/"+t.Name()+"/timerslack_ns", strconv.AppendInt(nil, timerSlack, 10), 0)
	}
}
