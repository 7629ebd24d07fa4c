package devicetest

import (
	"testing"

	"scp_rdma/transport/verbs/internal/softnic"
)

func TestSoftDevicesBehaveAsRealOnes(t *testing.T) {
	f := &softnic.Fabric{}
	h := f.Host(softnic.RXE("rxe0", [4]byte{10, 1, 0, 1}), softnic.RXE("rxe1", [4]byte{10, 1, 1, 1}),
		softnic.SIW("siw0", [4]byte{10, 2, 0, 1}), softnic.SIW("siw1", [4]byte{10, 2, 1, 1}))
	for name, c := range map[string]Config{
		"like rxe": {Device: "rxe0", Other: "rxe1", Kind: RXE()},
		"like siw": {Device: "siw0", Other: "siw1", Kind: SIW()},
	} {
		c.Provider = h
		c.SetPort = func(_ *testing.T, up bool) { h.SetPort(c.Device, up) }
		t.Run(name, func(t *testing.T) { Run(t, c) })
	}
	if open := f.Leaks(); len(open) != 0 {
		t.Errorf("left open: %v", open)
	}
}
