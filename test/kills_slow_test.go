//go:build slow

package e2e

// crashKills is how often TestKilledAgainAndAgain kills.
const crashKills = 200
