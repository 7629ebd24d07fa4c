//go:build slow

package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// Two rails carry what both carry alone, also where one has a third of the other's
// rate. They are slower than new files in memory are on a virtual machine whose host
// takes memory back as soon as it is free (475 MB/s).
func TestTwoRailsReachTheSumOfBoth(t *testing.T) {
	const size = 512 << 20
	for _, tt := range []struct {
		name         string
		mbit1, mbit2 int
		times, sum   float64 // of the first alone, of the sum of both alone; 0: does not matter
	}{
		{"equal rates", 800, 800, 1.9, 0.95},
		{"one third of the other's", 900, 300, 0, 0.95},
	} {
		t.Run(tt.name, func(t *testing.T) {
			room(t, 2*size+size/4)
			a, _, srv := railed(t, tt.mbit1, tt.mbit2)
			file := noise(t, size)
			rates := map[string][]float64{}
			for range farRounds {
				for _, rails := range []string{"rail1", "rail2", "rail1,rail2"} {
					line := a.in(setting.bin, "-d", rails, file, "10.77.1.2:")
					r := run(t, root(), line[0], line[1:]...)
					r.wants(t, 0)
					must(t, os.Remove(filepath.Join(srv.dir, filepath.Base(file))))
					rates[rails] = append(rates[rails], size/r.took.Seconds())
				}
			}
			one, two, both := middle(rates["rail1"]), middle(rates["rail2"]), middle(rates["rail1,rail2"])
			t.Logf("%.1f and %.1f MB/s alone, %.1f together: %.3f times the first, %.3f of the sum", one/1e6, two/1e6, both/1e6, both/one, both/(one+two))
			if both/one < tt.times || both/(one+two) < tt.sum {
				t.Errorf("want %.2f times the first, %.2f of the sum", tt.times, tt.sum)
			}
			srv.stop(t)
		})
	}
}
