package engine_test

import (
	"os"
	"path/filepath"
	"testing"

	"scp_rdma/test/hostile"
)

// Over memory, with faults of the transport beside those of the client.
func TestAHostileClientHarmsNobody(t *testing.T) {
	parent := t.TempDir()
	w, err := hostile.NewWitness(parent, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(parent, "in")
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	k := start(t, memory, func(k *kit) { k.dst, k.left = in, true })
	p := &hostile.Peer{Server: k.dial(), Transport: k.client}
	for _, a := range hostile.Attacks() {
		t.Run(a.Name, func(t *testing.T) {
			if err := p.Run(t.Context(), a); err != nil {
				t.Error(err)
			}
			if changed, err := w.Changed(); err != nil || changed != "" {
				t.Fatalf("%v %s", err, changed)
			}
		})
		for len(k.sessions) > 0 { // nobody looks at how they end
			<-k.sessions
		}
	}
	src := sample(t)
	if r, _, err := k.push(contents(t, src)); err != nil || r.Files != 303 {
		t.Errorf("the next client: %v, %+v", err, r)
	}
}
