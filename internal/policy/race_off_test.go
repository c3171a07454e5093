//go:build !race

package policy_test

// allocationsAllowed per decision; a garbage collection during the test may empty the pool once.
const allocationsAllowed = 0.1
