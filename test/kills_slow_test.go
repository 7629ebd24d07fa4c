//go:build slow

package e2e

// kills is how often TestKilledAgainAndAgain kills an end.
const kills = 200
