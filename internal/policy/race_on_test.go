//go:build race

package policy_test

// allocationsAllowed: under the race detector sync.Pool loses some of what it
// is given on purpose, so decisions make their scratch anew now and then.
const allocationsAllowed = 30
