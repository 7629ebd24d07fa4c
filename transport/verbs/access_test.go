package verbs

import (
	"testing"

	"scp_rdma/transport/verbs/internal/nic"
)

func TestOnlyWhatAPeerWritesToIsRelaxed(t *testing.T) {
	p := apart(t, roce("::ffff:192.0.2.1"), roce("::ffff:192.0.2.2"), "mlx5_0")
	s, r, err := p.try(t)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.access(); got != nic.AccessLocalWrite {
		t.Errorf("a sender's slots: %#x", got)
	}
	remote := nic.AccessLocalWrite | nic.AccessRemoteWrite
	if got := r.access(); got != remote|nic.AccessRelaxed {
		t.Errorf("a receiver's slots: %#x", got)
	}
	p.side[1].cfg.StrictOrder = true
	if got := r.access(); got != remote {
		t.Errorf("a receiver's slots that are to be written in order: %#x", got)
	}
	p.side[1].cfg.StrictOrder, r.d.attr.IWARP = false, true
	if got := r.access(); got != remote {
		t.Errorf("a receiver's slots on iWARP: %#x", got)
	}
	r.d.attr.IWARP = false
}
