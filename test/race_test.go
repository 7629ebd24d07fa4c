//go:build race

package e2e

// raceEnabled: the program is slower and larger than what users run.
const raceEnabled = true
