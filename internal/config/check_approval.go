package config

import "time"

// Bounds on approval windows.
const (
	longestWindow  = 3660 // days; as long as an administrator may give one
	briefestWait   = 5 * time.Minute
	longestWaiting = 30 * 24 * time.Hour // settled requests are forgotten then
)

// approval checks how long windows and requests last. Nothing means nothing
// here: a window of no days would be a door that opens for nobody.
func (k *checker) approval() {
	a := k.c.Approval
	for _, d := range []struct {
		pointer, what string
		days          int
	}{
		{"/approval/days", "a window lasts", a.Days},
		{"/approval/idle_days", "a window ends unused after", a.IdleDays},
		{"/approval/deny_days", "a denied network stays marked for", a.DenyDays},
	} {
		if d.days < 1 || d.days > longestWindow {
			k.wrong(d.pointer, "%s 1 to %d days, not %d", d.what, longestWindow, d.days)
		}
	}
	if a.Waiting < briefestWait || a.Waiting > longestWaiting {
		k.wrong("/approval/waiting", "a program waits between %s and %s to be approved, not %s", showDuration(briefestWait), showDuration(longestWaiting), showDuration(a.Waiting))
	}
}
