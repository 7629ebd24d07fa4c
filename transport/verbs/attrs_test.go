package verbs

import (
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"scp_rdma/transport"
	"scp_rdma/transport/verbs/internal/nic"
	"scp_rdma/transport/verbs/internal/softnic"
)

// attrsGolden is what devices of every kind are asked, most of which no machine of ours has.
const attrsGolden = "testdata/attrs.golden"

// fabric is a case of the table: a device of each host, and what their users say.
type fabric struct {
	name         string
	mine, theirs softnic.Spec
	tune, tunes  func(*Config) // of the initiator, of the responder
	streams      int           // 0: 1
	again        bool          // the last is made anew, in the next epoch
}

// TestWhatQueuePairsAreAsked compares what the software NIC was asked, field by field as
// ibv_modify_qp(3) would be, with a table that people have looked at. UPDATE_GOLDEN=1
// writes it anew.
func TestWhatQueuePairsAreAsked(t *testing.T) {
	var b strings.Builder
	for _, c := range fabrics() {
		fmt.Fprintf(&b, "== %s\n", c.name)
		b.WriteString(c.asked(t))
		b.WriteString("\n")
	}
	b.WriteString(mtus(t))
	if os.Getenv("UPDATE_GOLDEN") != "" {
		if err := os.WriteFile(attrsGolden, []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(attrsGolden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("UPDATE_GOLDEN=1 go test, if this is right: %s", diff)
	}
}

// asker is what the QPs of one side were asked, in the order in which they were made.
type asker struct {
	mu   sync.Mutex
	qpns []uint32
	all  map[uint32][]nic.QPAttr
}

func (a *asker) note(_ string, qpn uint32, attr nic.QPAttr) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !slices.Contains(a.qpns, qpn) {
		a.qpns = append(a.qpns, qpn)
	}
	a.all[qpn] = append(a.all[qpn], attr)
}

// asked joins the streams of a case, and tells what their QPs were asked.
func (c fabric) asked(t *testing.T) string {
	t.Helper()
	f := &softnic.Fabric{}
	hosts := [2]*softnic.Host{f.Host(c.mine), f.Host(c.theirs)}
	var side [2]*Transport
	var notes [2]*asker
	var rails [2][]transport.Rail
	for i, h := range hosts {
		cfg := Config{Devices: h}
		if tune := [2]func(*Config){c.tune, c.tunes}[i]; tune != nil {
			tune(&cfg)
		}
		side[i], notes[i] = New(cfg), &asker{all: map[uint32][]nic.QPAttr{}}
		h.OnModify(notes[i].note)
		var err error
		if rails[i], err = side[i].Probe(t.Context()); err != nil {
			return fmt.Sprintf("no rail: %v\n", err)
		}
	}
	pairs, err := side[0].Pair(rails[0], rails[1], transport.Path{})
	if err != nil {
		return fmt.Sprintf("no pair: %v\n", err)
	}
	req := transport.OpenRequest{Pair: pairs[0], Session: transport.ID{0x12, 0x34}, Epoch: 1, Key: make([]byte, 32), Slots: 1, SlotSize: 4096}
	for n := range max(1, c.streams) {
		req.Stream = uint32(n)
		if err := join2(t, side, req); err != nil {
			return fmt.Sprintf("no stream: %v\n", err)
		}
	}
	if c.again {
		req.Epoch++
		if err := join2(t, side, req); err != nil {
			t.Fatal(err)
		}
	}
	if left := f.Leaks(); len(left) != 0 {
		t.Errorf("%s: left open: %v", c.name, left)
	}
	return c.written(notes)
}

// join2 makes a stream, whose initiator sends, and ends it.
func join2(t *testing.T, side [2]*Transport, req transport.OpenRequest) error {
	t.Helper()
	req.Role, req.Initiator = transport.Sender, true
	a, err := side[0].Open(t.Context(), req)
	if err != nil {
		return err
	}
	defer func() { _ = a.Close() }()
	req.Role, req.Initiator, req.Offer = transport.Receiver, false, a.Offer()
	req.Pair.Local, req.Pair.Peer = req.Pair.Peer, req.Pair.Local
	b, err := side[1].Open(t.Context(), req)
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()
	s, err := a.Connect(t.Context(), b.Offer())
	if err != nil {
		return err
	}
	r, err := b.Connect(t.Context(), a.Offer())
	if err != nil {
		return err
	}
	_ = s.Close() // what becomes of it is not the question
	return r.Close()
}

// written is what both sides' QPs were asked, as text.
func (c fabric) written(notes [2]*asker) string {
	var b strings.Builder
	for n := range notes[0].qpns {
		for i, name := range []string{"initiator", "responder"} {
			fmt.Fprintf(&b, "%s's QP %d\n", name, n+1)
			own, peer := notes[i].qpns[n], notes[1-i].qpns[n]
			for _, a := range notes[i].all[own] {
				b.WriteString(line(a, peer, notes[1-i].all[peer]))
				if g := [2]softnic.Spec{c.mine, c.theirs}[i].GIDs; a.AH.IsGlobal {
					b.WriteString(route(a.AH.GRH, g))
				}
			}
		}
	}
	return b.String()
}

// line is one step of a QP. What is random is said by whose it is.
func line(a nic.QPAttr, peer uint32, theirs []nic.QPAttr) string {
	switch {
	case a.State == nic.Init:
		return fmt.Sprintf("  INIT port_num=%d pkey_index=%d qp_access_flags=%s\n", a.PortNum, a.PKeyIndex, access(a.AccessFlags))
	case a.State == nic.RTS:
		return fmt.Sprintf("  RTS  timeout=%d retry_cnt=%d rnr_retry=%d sq_psn=own max_rd_atomic=%d\n", a.Timeout, a.RetryCnt, a.RNRRetry, a.MaxRDAtomic)
	}
	is := func(got, want uint32) string {
		if got == want {
			return "peer's"
		}
		return fmt.Sprintf("%#x, WRONG", got)
	}
	s := fmt.Sprintf("  RTR  path_mtu=%d dest_qp_num=%s rq_psn=%s max_dest_rd_atomic=%d min_rnr_timer=%d\n",
		128<<a.PathMTU, is(a.DestQPN, peer), is(a.RQPSN, theirs[len(theirs)-1].SQPSN), a.MaxDestRDAtomic, a.MinRNRTimer)
	global := 0
	if a.AH.IsGlobal {
		global = 1
	}
	return s + fmt.Sprintf("       ah  dlid=%#x sl=%d src_path_bits=%d static_rate=%d is_global=%d port_num=%d\n",
		a.AH.DLID, a.AH.SL, a.AH.SrcPathBits, a.AH.StaticRate, global, a.AH.PortNum)
}

// route is the rest of RTR, with what the kernel makes of the row of its port's table.
func route(g nic.GRH, table []nic.GID) string {
	s := fmt.Sprintf("       grh dgid=%v sgid_index=%d flow_label=%#x hop_limit=%d traffic_class=%d",
		netip.AddrFrom16(g.DGID), g.SGIDIndex, g.FlowLabel, g.HopLimit, g.TrafficClass)
	i := slices.IndexFunc(table, func(row nic.GID) bool { return row.Index == int(g.SGIDIndex) })
	switch row := table[i]; row.Type {
	case nic.GIDRoCEv1:
		s += " -> RoCE v1"
	case nic.GIDRoCEv2:
		s += fmt.Sprintf(" -> %s, from %v, UDP port %#x", row.Netdev, netip.AddrFrom16(row.GID), sourcePort(g.FlowLabel))
	case nic.GIDIB, nic.GIDIP:
	}
	return s + "\n"
}

func access(flags nic.Access) string {
	names := []string{"LOCAL_WRITE", "REMOTE_WRITE", "REMOTE_READ", "REMOTE_ATOMIC"}
	var set []string
	for i, n := range names {
		if flags>>i&1 != 0 {
			set = append(set, n)
		}
	}
	return strings.Join(set, "|")
}

// sourcePort is what the kernel makes of a flow label (rdma_flow_label_to_udp_sport).
func sourcePort(label uint32) uint32 { return 0xc000 | (label&0x3fff ^ label>>14) }

// mtus is the path MTU that both sides take, of each two that ports can have.
func mtus(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	b.WriteString("== path_mtu by the active MTUs of both ports\n")
	for mine := 256; mine <= 4096; mine *= 2 {
		fmt.Fprintf(&b, "%4d:", mine)
		for theirs := 256; theirs <= 4096; theirs *= 2 {
			c := fabric{mine: roce("::ffff:192.0.2.1"), theirs: roce("::ffff:192.0.2.2")}
			c.mine.MTU, c.theirs.MTU = mine, theirs
			text := c.asked(t)
			if want := fmt.Sprintf("path_mtu=%d ", min(mine, theirs)); strings.Count(text, want) != 2 {
				t.Errorf("MTUs %d and %d: %s", mine, theirs, text)
			}
			_, text, _ = strings.Cut(text, "path_mtu=")
			text, _, _ = strings.Cut(text, " ")
			fmt.Fprintf(&b, " %4d:%s", theirs, text)
		}
		b.WriteString("\n")
	}
	return b.String()
}
