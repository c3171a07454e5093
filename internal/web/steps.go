package web

// Steps are what a person can do next, for the program that was refused. They
// depend on the program alone, never on why it was refused.
func (w *Words) Steps(program string) []string {
	own := "steps.other"
	if program != "" && w.Has("steps."+program) {
		own = "steps." + program
	}
	return []string{w.T("steps.first"), w.T(own), w.T("steps.last")}
}
