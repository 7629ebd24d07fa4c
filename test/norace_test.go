//go:build !race

package e2e

// raceEnabled: the program is what users run.
const raceEnabled = false
