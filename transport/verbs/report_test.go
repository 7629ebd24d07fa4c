package verbs

import (
	"errors"
	"strings"
	"testing"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

func TestDescribeTellsOfAllThatIsThereAndWhy(t *testing.T) {
	f := &softnic.Fabric{}
	broken := softnic.RXE("rxe2", [4]byte{10, 1, 2, 1})
	broken.Broken = errors.New("no node for it: modprobe ib_uverbs")
	bare := softnic.RXE("rxe3", [4]byte{10, 1, 3, 1})
	bare.GIDs = nil
	ib := softnic.RXE("ib0", [4]byte{10, 1, 4, 1})
	ib.IB, ib.LID, ib.GIDs = true, 7, []nic.GID{{Index: 0, GID: [16]byte{0: 0xfe, 1: 0x80, 15: 9}, Type: nic.GIDIB}}
	h := f.Host(append(devices(2, 1), broken, bare, ib, softnic.SIW("siw0", [4]byte{10, 2, 0, 1}))...)
	h.SetPort("rxe1", false)
	r := New(Config{Devices: h}).Describe(t.Context())
	if r.Library != "" || len(r.Devices) != 6 {
		t.Fatalf("report %+v", r)
	}
	found := map[string]DeviceReport{}
	for _, d := range r.Devices {
		found[d.Name] = d
	}
	good := found["rxe0"].Ports[0]
	if good.Rail != "rxe0" || good.State != "ACTIVE" || good.Link != "Ethernet" || len(good.GIDs) != 2 ||
		good.GIDs[0].Chosen || !good.GIDs[1].Chosen || !strings.Contains(good.GIDs[1].Why, "IPv4") {
		t.Errorf("rxe0: %+v", good)
	}
	down := found["rxe1"].Ports[0]
	if down.Rail != "" || down.State != "DOWN" || !strings.Contains(down.Error, "ip link set") {
		t.Errorf("rxe1: %+v", down)
	}
	if !strings.Contains(found["rxe2"].Error, "modprobe ib_uverbs") || found["siw0"].Error != "" || !found["siw0"].IWARP {
		t.Errorf("rxe2: %+v, siw0: %+v", found["rxe2"], found["siw0"])
	}
	if p := found["siw0"].Ports[0]; p.Rail != "siw0" || len(p.GIDs) != 1 || !p.GIDs[0].Chosen || p.GIDs[0].Type != "IP" || !strings.Contains(p.GIDs[0].Why, "rdma_cm") {
		t.Errorf("siw0: %+v", p)
	}
	if p := found["rxe3"].Ports[0]; !strings.Contains(p.Error, "IP address") {
		t.Errorf("rxe3: %+v", p)
	}
	if p := found["ib0"].Ports[0]; p.Link != "InfiniBand" || p.LID != 7 || !p.GIDs[0].Chosen || p.GIDs[0].Type != "IB" {
		t.Errorf("ib0: %+v", p)
	}
	if left := f.Leaks(); len(left) != 0 {
		t.Errorf("left open: %v", left)
	}
}

// missing is a host without libibverbs.
type missing struct{ Provider }

func (missing) Devices() ([]Listed, error) {
	return nil, errors.Join(errors.New("install rdma-core"), transport.ErrUnavailable)
}

func TestDescribeSaysWhatIsMissing(t *testing.T) {
	r := New(Config{Devices: missing{}}).Describe(t.Context())
	if !strings.Contains(r.Library, "install rdma-core") || r.Devices == nil {
		t.Errorf("report %+v", r)
	}
}
