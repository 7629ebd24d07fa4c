package verbs

import (
	"slices"
	"testing"

	"scp_rdma/transport/verbs/internal/softnic"
)

// Rails that nobody has named come near ones first, then fast ones; each is as fast as its port
// or as its slot, whichever is less.
func TestRailsGoByWhereTheyLieAndWhatTheyCarry(t *testing.T) {
	specs := devices(5, 1)
	for i, gbit := range []uint64{400, 25, 400, 100, 400} {
		specs[i].Speed = gbit * 1e9
	}
	lies := map[string]Lies{
		"rxe0": {Cores: []int{4, 5}, Far: 2},
		"rxe2": {Cores: []int{0, 1}, Rate: 252e9},
		"rxe3": {Rate: 500e9},
		"rxe4": {Rate: 63e9},
	}
	probe := func(named ...string) (names []string, rates []uint64) {
		t.Helper()
		f := &softnic.Fabric{}
		cfg := Config{Devices: f.Host(specs...), Rails: named, Lies: func(d string) Lies { return lies[d] }}
		rails, err := New(cfg).Probe(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range rails {
			names, rates = append(names, r.Name), append(rates, r.Rate/1e9)
			if device := r.Name[:4]; !slices.Equal(r.Cores, lies[device].Cores) {
				t.Errorf("%s is near the cores %v", r.Name, r.Cores)
			}
		}
		return names, rates
	}
	names, rates := probe()
	if want := []string{"rxe2", "rxe3", "rxe4", "rxe1", "rxe0"}; !slices.Equal(names, want) || !slices.Equal(rates, []uint64{252, 100, 63, 25, 400}) {
		t.Errorf("%v of %v Gbit/s, want %v", names, rates, want)
	}
	// Who names them has chosen.
	if names, rates := probe("rxe0", "rxe4:1:1"); !slices.Equal(names, []string{"rxe0", "rxe4:1:1"}) || !slices.Equal(rates, []uint64{400, 63}) {
		t.Errorf("%v of %v Gbit/s", names, rates)
	}
}
