package verbs_test

import (
	"os"
	"path/filepath"
	"testing"

	"scp_rdma/engine"
	"scp_rdma/transport/verbs"
	"scp_rdma/transport/verbs/internal/softnic"
)

// TestAWholeTransferByRDMACM: over iWARP, which knows no other way, and RoCE.
func TestAWholeTransferByRDMACM(t *testing.T) {
	src := t.TempDir()
	fill(t, filepath.Join(src, "large"), 9<<20)
	fill(t, filepath.Join(src, "small"), 10)
	for name, spec := range map[string]func(string, [4]byte) softnic.Spec{"siw0": softnic.SIW, "rxe0": softnic.RXE} {
		t.Run(name, func(t *testing.T) {
			f := &softnic.Fabric{}
			side := func(host byte) *verbs.Transport {
				return verbs.New(verbs.Config{
					Devices: spyHost{f.Host(spec(name, [4]byte{10, 3, 0, host})), hooks{}}, StrictRNR: true, AckTimeout: quick, Connect: verbs.CM,
				})
			}
			s := serve(t, side(2))
			r, err := s.send(t.Context(), t, src, func(c *engine.SendConfig) { c.Streams = 4 }, side(1))
			check(t, err)
			check(t, s.next(t))
			if r.Transport != "verbs" {
				t.Errorf("%+v", r)
			}
			for _, file := range []string{"large", "small"} {
				want, err := os.ReadFile(filepath.Join(src, file))
				check(t, err)
				got, err := os.ReadFile(filepath.Join(s.dst, file))
				check(t, err)
				if string(got) != string(want) {
					t.Errorf("%s differs", file)
				}
			}
			s.stop(t)
			if n := f.RNRs(); n != 0 {
				t.Errorf("%d SENDs found no receive", n)
			}
			if left := f.Leaks(); len(left) != 0 {
				t.Errorf("left open: %v", left)
			}
		})
	}
}
